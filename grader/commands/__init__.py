"""One module for each command: `run(args)` does it and returns the exit code. Imported when its command is chosen."""
