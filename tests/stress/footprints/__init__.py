"""Random schemas, queries and writes: a query whose result a transaction has changed must be touched by its writes."""
