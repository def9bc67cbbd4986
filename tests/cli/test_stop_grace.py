"""After the grace the process ends, whatever threads of the app still run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .process import DEADLINE_SECONDS, Process, environment
from .shop import Shop

CONFIGURED = '[tool.convexpy]\nfunctions = "shop"\ndatabase = "sqlite:///shop.db"\nstop_grace = 0.2\n'

ENDLESS = """
    import asyncio
    import atexit
    import threading
    from concurrent.futures import ThreadPoolExecutor

    from convexpy import ActionCtx, internal_action

    own = ThreadPoolExecutor(1)

    def endless():
        atexit.register(print, "an exit function ran")
        print("it works on a thread", flush=True)
        threading.Event().wait()


    @internal_action
    async def to_thread(ctx: ActionCtx) -> None:
        await asyncio.to_thread(endless)


    @internal_action
    async def executor(ctx: ActionCtx) -> None:
        await asyncio.get_running_loop().run_in_executor(own, endless)


    @internal_action
    async def left_behind(ctx: ActionCtx) -> None:
        own.submit(endless)


    @internal_action
    async def thread(ctx: ActionCtx) -> None:
        threading.Thread(target=endless, daemon=False).start()


    @internal_action
    async def exit_function(ctx: ActionCtx) -> None:
        atexit.register(endless)
        print("it works on a thread", flush=True)
"""

PLAN = """
    from convexpy import MutationCtx, internal, mutation


    @mutation
    def plan(ctx: MutationCtx, name: str) -> None:
        ctx.schedule.now(getattr(internal.endless, name))
"""

EMBEDDED = """
import sys

from convexpy import Convex, Settings

with Convex("sqlite:///shop.db", functions="shop", settings=Settings(stop_grace=0.2)) as convex, convex.running():
    convex.call("plan:plan", {"name": "to_thread"})
    for line in sys.stdin:
        break
"""


MORE = ("executor", "left_behind", "thread")


@pytest.fixture
def endless(shop: Shop) -> Shop:
    shop.write("pyproject.toml", CONFIGURED)
    shop.write("shop/endless.py", ENDLESS)
    shop.write("shop/plan.py", PLAN)
    shop.apply_revision()
    return shop


@pytest.mark.parametrize(
    "name", ["to_thread", "exit_function", *(pytest.param(name, marks=pytest.mark.long) for name in MORE)]
)
def test_a_thread_that_never_ends_does_not_keep_the_process_alive(endless: Shop, name: str) -> None:
    with Process(endless.root, "worker") as server:
        server.line('"running')
        assert endless.cli("run", "plan:plan", f'{{"name": "{name}"}}').exit_code == 0
        server.line("it works on a thread")
        server.process.terminate()
        if name != "to_thread":
            server.line("this still runs")
            if name != "exit_function":
                server.line("an exit function ran")
        assert server.process.wait(DEADLINE_SECONDS) == 0


def test_dev_ends_as_well(endless: Shop) -> None:
    with Process(endless.root, "dev") as server:
        server.line("ready")
        assert endless.cli("run", "plan:plan", '{"name": "left_behind"}').exit_code == 0
        server.line("it works on a thread")
        assert server.stop() == 0


def test_an_app_in_another_program_leaves_none_of_its_threads_behind(endless: Shop) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", EMBEDDED],
        cwd=endless.root,
        env=environment(),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert "works on a thread" in program.stdout.readline()
        try:
            program.stdin.close()
            assert program.wait(2 * DEADLINE_SECONDS) == 0
        finally:
            program.kill()
