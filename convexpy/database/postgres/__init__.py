"""A PostgreSQL server as the database: pooled connections, one transaction on each."""
