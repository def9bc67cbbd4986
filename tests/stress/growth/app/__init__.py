"""A job that only counts, and the calls of a client beside very many of them."""
