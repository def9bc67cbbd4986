"""Ports for servers that are ended and come back at the same port."""

from __future__ import annotations

import os
import random
import socket
from contextlib import suppress
from typing import Final

# Below the ports that systems give to connections and to servers at port 0. While a server of a test is down, another
# test's would get one of those.
PORTS: Final = range(15_000, 32_000)

_held: list[socket.socket] = []


def free_port() -> int:
    """A port that nothing listens at, and that no other process of the tests is given as long as this one lives."""
    rng = random.Random(os.urandom(8))
    while True:
        port = rng.choice(PORTS)
        # No server of the tests uses UDP: the same number there marks the port as given.
        mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            mark.bind(("127.0.0.1", port))
            probe.bind(("127.0.0.1", port))
            _held.append(mark)
            return port
        mark.close()
