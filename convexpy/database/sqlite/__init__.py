"""A SQLite file as the database: one connection writes, a pool of connections reads."""
