"""A tea shop with customers, failures and history: what the dashboard is looked at and tested with."""
