"""A cron, to see how late it is."""

from datetime import timedelta

from convexpy import Crons

from .work import tick

crons = Crons()
crons.interval("tick", timedelta(minutes=1), tick)
