"""Payments that must succeed: actions that are tried again."""
