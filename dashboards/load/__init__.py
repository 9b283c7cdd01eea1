"""What the pages show, as pure frames: of the ledger, DVC's outputs and experiments, Optuna's storage. Nothing is written."""
