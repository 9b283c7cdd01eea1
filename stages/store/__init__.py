"""What is on disk: atomic writes, JSON lines, and the hashes that DVC gives to what a stage reads."""
