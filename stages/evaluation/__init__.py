"""How a checkpoint is examined."""
