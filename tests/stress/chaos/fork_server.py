"""Imported last by the fork server alone, which would run for as long as one of its children does.

A frozen child never ends, and ends with the fork server. In the children the garbage collector skips what has been
imported: to traverse it copies every page of it.
"""

import gc

from .parent_death import die_with_parent

die_with_parent()
gc.freeze()
