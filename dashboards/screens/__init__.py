"""A page a file; each draws and reads nothing itself."""
