"""A primary that stops in the middle of work, and a standby that takes over: what is lost, what is doubled."""
