"""What runs again and again. All times are UTC."""

from datetime import timedelta

from convexpy import Crons

from .tasks import forget_done

crons = Crons()
crons.interval("forget what is done", timedelta(hours=1), forget_done)
