"""The framework's own revisions, the user's, and the synchronization of a development database."""
