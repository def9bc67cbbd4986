"""What clients of other languages call in the tests."""
