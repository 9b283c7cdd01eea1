"""What a climb cost elsewhere: the checkpoint on texts that it was not trained for, and how far it has come from the base."""
