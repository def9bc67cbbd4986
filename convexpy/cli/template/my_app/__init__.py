"""The backend: every function in this package can be called, scheduled and run by a cron."""
