"""``Throttle``: pauses for addresses that show wrong admin keys."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final, NamedTuple

from ..clock import Clock

FREE_TRIES: Final = 10
LONGEST_PAUSE: Final = timedelta(minutes=1)
FORGOTTEN_AFTER: Final = timedelta(minutes=10)
MOST_ADDRESSES: Final = 1000


class Failures(NamedTuple):
    """How often an address failed, and when last."""

    times: int
    last: datetime

    @property
    def ends(self) -> datetime:
        """When the pause after the last failure ends: after ten failures it doubles with each."""
        over = self.times - FREE_TRIES
        return self.last if over < 0 else self.last + min(timedelta(seconds=1) * 2 ** min(over, 10), LONGEST_PAUSE)


class Throttle:
    """Remembers failures of the addresses that failed last, at most a thousand."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, Failures] = OrderedDict()

    def is_paused(self, address: str | None) -> bool:
        """Whether an address has to wait. None, an address that is not known, never has."""
        failures = self._failures.get(network_of(address))
        return failures is not None and self._clock.now() < failures.ends

    def count_failure(self, address: str | None) -> None:
        if address is None:
            return
        network, now = network_of(address), self._clock.now()
        failures = self._failures.pop(network, None)
        times = 0 if failures is None or now >= failures.last + FORGOTTEN_AFTER else failures.times
        self._failures[network] = Failures(times + 1, now)
        while len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)


def network_of(address: str | None) -> str:
    """The address, or of IPv6 the network: a client has all of its addresses."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(ip_network((int(parsed), 64), strict=False))
    return str(parsed)
