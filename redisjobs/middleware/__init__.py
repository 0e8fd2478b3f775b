"""Code around every push and every run: generator functions that yield once."""
