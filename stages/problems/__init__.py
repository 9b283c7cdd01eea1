"""Problems: where they come from, what they are, which of them a rung sees."""
