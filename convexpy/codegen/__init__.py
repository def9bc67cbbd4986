"""Types of the public functions for clients in other languages, written as files."""
