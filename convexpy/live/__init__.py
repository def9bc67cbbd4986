"""Runs queries again when a commit changes what they read."""
