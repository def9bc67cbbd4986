"""The chaos kit: many processes, many faults, and checkers that trust none of them."""
