"""A PostgreSQL server as the database: many transactions at once, and a network that may fail between us."""
