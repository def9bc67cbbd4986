"""Imported last by the fork server alone.

In its children the garbage collector skips what has been imported: to traverse it copies every page of it.
"""

import gc

gc.freeze()
