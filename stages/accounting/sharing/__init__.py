"""An experiment as one file that others can read: exported, checked and kept, compared side by side."""
