"""The command line: each command parses, calls the inspector or the app, and prints."""
