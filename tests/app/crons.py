"""What the shop does again and again."""

from __future__ import annotations

from datetime import timedelta

from convexpy import Crons, internal

from .maintenance import cleanup_stale_data

crons = Crons()
crons.interval("cleanup stale data", timedelta(hours=2), cleanup_stale_data)
crons.cron("daily report", "0 9 * * *", internal.maintenance.generate_daily_report)
