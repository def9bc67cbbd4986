"""A SQLite file as the database: one connection that writes, in turn, and many that read."""
