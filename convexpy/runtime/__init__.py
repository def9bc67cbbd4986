"""One call: its context, its transaction, what it schedules, and its commit."""
