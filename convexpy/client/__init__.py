"""``Remote``: call an app on another machine from Python, by the same typed functions."""

from .remote import Remote

__all__ = ["Remote"]
