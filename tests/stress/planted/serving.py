"""Bugs in the processes that serve: how they stop, and what one client may take of them."""

from __future__ import annotations

from typing import Final

from .bug import Bug

START: Final = "tests/cli/test_serve_start.py"
LIMITS: Final = "tests/cli/test_server_limits.py"

SERVING: Final = (
    Bug(
        name="a server that stops at once",
        breaks="with every new version, clients whose mutation runs do not hear what came of it",
        file="cli/http_server.py",
        old="        await self._drain(self._seconds_left())\n",
        new="",
        tests=(f"{START}::test_what_runs_is_answered_before_it_stops",),
    ),
    Bug(
        name="a supervisor that keeps listening",
        breaks="clients connect to an app that is stopping, and wait for an answer that does not come",
        file="cli/supervisor.py",
        old="                slot.role.listener.close()",
        new="                pass",
        tests=(f"{START}::test_what_runs_is_answered_before_it_stops",),
    ),
    Bug(
        name="clients that read nothing",
        breaks="who opens many large results and reads none of them takes all memory of a server",
        file="cli/server_limits.py",
        old="            self._transport.abort()\n",
        new="            pass\n",
        tests=(f"{LIMITS}::test_a_client_that_reads_nothing_is_left",),
    ),
    Bug(
        name="heads without an end",
        breaks="a thousand connections that send a byte now and then are all that a server can take",
        file="cli/server_limits.py",
        old="            if now - self._begun >= limit:\n",
        new="            if False:\n",
        tests=(f"{LIMITS}::test_a_head_that_does_not_arrive_ends_the_connection",),
    ),
)
