"""Crons with the shortest periods there are. Without them a run comes to rest."""

from __future__ import annotations

import os
from datetime import timedelta

from convexpy import Crons

from .work import tick

crons = Crons()
if os.environ.get("CHAOS_CRONS") != "off":
    crons.interval("tick", timedelta(seconds=2), tick, call="cron-tick")
    crons.interval("tock", timedelta(seconds=3), tick, call="cron-tock")
    crons.cron("minute", "* * * * *", tick, call="cron-minute")
