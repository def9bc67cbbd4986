"""What runs again and again. All times are UTC."""

from datetime import timedelta

from convexpy import Crons

from .demo import open_shop
from .maintenance import cleanup_stale_data
from .reports import generate_daily_report

crons = Crons()
crons.interval("cleanup stale data", timedelta(hours=2), cleanup_stale_data)
crons.cron("daily report", "0 9 * * *", generate_daily_report)
crons.interval("open the shop", timedelta(days=1), open_shop)  # an interval first runs when it first appears: now
