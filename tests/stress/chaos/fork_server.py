"""Imported by the fork server alone, which would live on as long as one of its children does.

One that is frozen lives for ever, and would die with the fork server.
"""

from .leash import tie

tie()
