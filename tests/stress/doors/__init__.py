"""The doors against clients that send nonsense: no crash, no trace, no memory that stays, and others are served."""
