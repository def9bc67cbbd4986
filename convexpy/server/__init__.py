"""The server for clients: HTTP, sockets, and authentication."""
