"""What the workers run: payments with one effect each, and letters that leave a line in a journal."""
