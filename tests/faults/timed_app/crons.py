"""Crons that fire at once when they first appear; how often after that is up to the test."""

from __future__ import annotations

import os
from datetime import timedelta

from convexpy import Crons

from .ticks import tick

PERIOD = timedelta(seconds=float(os.environ.get("FAULTS_CRON_SECONDS", "3600")))

crons = Crons()
crons.interval("victim", PERIOD, tick, label="victim")
