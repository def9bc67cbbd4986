"""What is wrong, or may go wrong, with a project's database, and what to do about it."""
