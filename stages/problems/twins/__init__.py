"""Twins of problems: other numbers with the answer recomputed, or other words with the answer kept."""
