"""The bank: a stand-in for the outside world. It does not answer for amounts that end in 13 cents."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5


class BankTimeout(Exception):
    """The bank did not answer."""


async def charge(order_id: str, cents: int) -> str:
    """Take the money and return a receipt."""
    if cents % 100 == 13:
        raise BankTimeout("no answer in 2 s")
    return uuid5(NAMESPACE_URL, order_id).hex
