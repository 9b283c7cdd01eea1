"""Charts, as functions of frames."""
