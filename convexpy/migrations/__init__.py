"""The framework's own revisions, the user's, and what ``convexpy dev`` keeps in step."""
