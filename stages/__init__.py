"""The stages of a ladder, one thin module each, over the rooms that do the work."""
