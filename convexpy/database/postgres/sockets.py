"""The connections of this process. A child that is forked must not write to them, nor keep them open."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

from ...fork import in_child


class OpenSockets:
    """Every open connection, pooled or in use, and what a child does about them."""

    def __init__(self) -> None:
        self._drivers: WeakSet[Any] = WeakSet()
        self._inherited: list[Any] = []
        in_child.add(self._let_go)

    def add(self, driver: Any) -> None:
        self._drivers.add(driver)

    def _let_go(self) -> None:
        """Put nothing in the place of each socket: what is sent is dropped, and the answer is that it is closed.

        The parent's connection is unaffected, and the server learns of the parent's death as if there were no child.
        The objects are kept: to close them would use memory of libpq that another thread was about to change.
        """
        drivers, self._drivers = list(self._drivers), WeakSet()
        nothing = os.open(os.devnull, os.O_RDWR)
        for driver in drivers:
            with suppress(Exception):  # it is closed
                os.dup2(nothing, driver.pgconn.socket, inheritable=False)
        os.close(nothing)
        self._inherited += drivers


SOCKETS: Final = OpenSockets()
