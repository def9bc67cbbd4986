"""What runs again and again."""

from __future__ import annotations

from datetime import timedelta

from convexpy import Crons

from .maintenance import clean_up, refresh_prices, report

crons = Crons()
crons.interval("clean up sessions", timedelta(hours=2), clean_up, days=30)
crons.cron("daily report", "0 9 * * *", report)
crons.interval("prices of Darjeeling Direct", timedelta(minutes=15), refresh_prices, supplier="darjeeling direct")
crons.interval("prices of Silent & Sons", timedelta(hours=1), refresh_prices, supplier="silent")
crons.monthly("close the books", day=1, hour=0, minute=5, function=report)
