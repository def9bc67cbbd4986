"""The dashboard's pages: static files, which the server sends as they are."""
