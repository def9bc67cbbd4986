"""One cron, if the process that loads this is told to have it. It fires at once when it first appears."""

from __future__ import annotations

import os
from datetime import timedelta

from convexpy import Crons

from .work import tick

crons = Crons()
if "FAULTS_CRON_SECONDS" in os.environ:
    crons.interval("victim", timedelta(seconds=float(os.environ["FAULTS_CRON_SECONDS"])), tick, label="victim")
