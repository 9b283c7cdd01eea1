"""What was spent: the ledger of every attempt, prices, and the bill."""
