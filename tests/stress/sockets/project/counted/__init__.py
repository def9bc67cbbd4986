"""Counters that every mutation adds one to, with a row of each."""
