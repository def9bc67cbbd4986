"""A small shop, written as a user would write it: the app that the tests of the promises call."""
