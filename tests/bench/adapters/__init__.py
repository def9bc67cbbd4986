"""An adapter for each system. It runs as a script in the system's own environment."""
