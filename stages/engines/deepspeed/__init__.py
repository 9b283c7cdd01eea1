"""Training by DeepSpeed, on one rank or several. Imported where the settings name it."""
