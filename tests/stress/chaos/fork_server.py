"""Imported by the fork server alone, which would run for as long as one of its children does.

A frozen child never ends, and ends with the fork server.
"""

from .parent_death import die_with_parent

die_with_parent()
