"""``os.fork``: what belongs to the process that made it, such as threads and connections, is made anew in the child.

Objects register methods. They are held weakly, so that an app that is dropped is forgotten here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, Final
from weakref import ref

logger = logging.getLogger("convexpy")


class ForkHooks:
    """Methods that are called at one moment of every fork, in the order in which they were added."""

    def __init__(self) -> None:
        # Changed by single operations only: another thread may be about to, at the moment of a fork.
        self._methods: dict[int, tuple[ref[Any], Callable[[Any], None]]] = {}

    def add(self, method: Callable[[], None]) -> None:
        """Call a method at every fork, as long as its object exists. One for each object."""
        bound: Any = method
        key = id(bound.__self__)
        self._methods[key] = ref(bound.__self__, lambda _: self._methods.pop(key, None)), bound.__func__

    def call(self) -> None:
        for reference, method in tuple(self._methods.values()):
            owner = reference()
            if owner is None:
                continue
            try:
                method(owner)
            except Exception:
                logger.exception("%s failed at a fork of this process", method.__qualname__)


before_fork: Final = ForkHooks()
"""In the parent, before it."""
after_fork: Final = ForkHooks()
"""In the parent, after it."""
in_child: Final = ForkHooks()
"""In the child, before all else. Only the thread that forked exists there, and what others had locked stays locked."""

if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=before_fork.call, after_in_parent=after_fork.call, after_in_child=in_child.call)
