"""Checks of a project's database and of the settings that it is used with."""
