"""``convexpy dev`` in a process of its own, and work in it that takes as long as a test wants."""

from __future__ import annotations

import os
import time
from pathlib import Path

from .process import Process
from .shop import Shop

SLOW = """
    import time
    from pathlib import Path

    from convexpy import MutationCtx, SyncActionCtx, internal_action, internal_mutation, mutation

    VERSION = "old"


    @mutation
    def begin(ctx: MutationCtx) -> None:
        ctx.schedule.now(wait_for_file)


    @internal_action
    def wait_for_file(ctx: SyncActionCtx) -> None:
        Path("started").touch()
        while not Path("go on").exists():
            time.sleep(0.01)
        Path(f"ended by {VERSION} code").touch()
"""


def dev(shop: Shop, *args: str) -> Process:
    process = Process(shop.root, "dev", *args)
    process.line("^ready in ")
    return process


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        os.sched_yield()
