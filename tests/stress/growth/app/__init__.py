"""A job that only counts, and what somebody asks of a database that is full of them."""
