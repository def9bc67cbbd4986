"""The doors for clients outside of Python: HTTP, sockets, and who calls."""
