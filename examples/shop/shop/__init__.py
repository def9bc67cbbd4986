"""A small shop: every way to run something later, each in a file of its own."""
