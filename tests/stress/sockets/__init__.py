"""Sockets under faults: every mutation once, promises that resolve once, and values that never go back."""
