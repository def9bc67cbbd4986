"""The tables of a database as the dashboard shows and edits them: by the database's own catalog, values as text."""
