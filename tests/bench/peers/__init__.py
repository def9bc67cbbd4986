"""One file for each contestant. It runs as a script in the contestant's own environment."""
