"""What people look at: Streamlit pages, read-only over the ledger and DVC's outputs."""
