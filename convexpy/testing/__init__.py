"""Test an app on the real engine, with a clock that tests move: ``from convexpy.testing import ConvexTest``."""

from .clock import VirtualClock
from .kit import ConvexTest, UserView

__all__ = ["ConvexTest", "UserView", "VirtualClock"]
