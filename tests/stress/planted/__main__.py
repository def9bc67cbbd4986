"""``python -m tests.stress.planted``: plant every bug of the list, one at a time. Exits 1 if one is missed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from tests.servers.postgres import NoServer, server
from tests.servers.shared import VARIABLE

from .bug import Bug, TextNotFound
from .bugs import BUGS
from .project import copy_of_project
from .runs import Run, run_with_bug, run_without_bugs

MOST_JOBS = 2
TAIL_LINES = 40


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.planted", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="this bug; may be given more than once")
    parser.add_argument("--list", action="store_true", help="print the bugs, and plant none")
    parser.add_argument("--jobs", type=int, choices=range(1, MOST_JOBS + 1), default=1, help="how many at a time")
    options = parser.parse_args()
    if unknown := set(options.only or ()) - {bug.name for bug in BUGS}:
        parser.error(f"there is no bug named {', '.join(sorted(unknown))}; --list prints all of them")
    bugs = [bug for bug in BUGS if options.only is None or bug.name in options.only]
    if options.list:
        for bug in bugs:
            print(f"{bug.name}: {bug.breaks}. In {bug.file}; caught by {' '.join(bug.tests)}")
        return 0
    try:
        with a_server() as environ:
            return plant_all(bugs, environ, options.jobs)
    except NoServer as reason:
        print(f"no PostgreSQL, which half of the tests need: {reason}. Set {VARIABLE} to the URL of one")
        return 1


@contextmanager
def a_server() -> Iterator[dict[str, str]]:
    """One server for all runs, by their environment: each would start its own."""
    if VARIABLE in os.environ:
        yield {}
        return
    with server() as started:
        yield {VARIABLE: started.url()}


def plant_all(bugs: list[Bug], environ: dict[str, str], jobs: int) -> int:
    """Every bug in a copy of its own, and one run of all their tests without any."""
    tests = list(dict.fromkeys(test for bug in bugs for test in bug.tests))
    caught = 0
    # Edits meanwhile change none of the copies.
    with copy_of_project() as project, ThreadPoolExecutor(jobs) as threads:
        without = threads.submit(run_without_bugs, tests, environ, project)
        runs = {threads.submit(run_with_bug, bug, environ, project): bug for bug in bugs}
        for done in as_completed(runs):
            try:
                caught += report(runs[done], done.result())
            except TextNotFound as error:
                print(f"STALE     {error}", flush=True)
        is_clean = report_without(without.result())
    print(f"caught {caught} of {len(bugs)}")
    return 0 if caught == len(bugs) and is_clean else 1


def report(bug: Bug, run: Run) -> bool:
    """One line for a bug that was caught; for one that was not, the end of pytest's output as well."""
    if run.caught:
        test, error = run.failed[0]
        print(f"caught    {bug.name}: {bug.breaks}. {run.seconds:.0f} s, {test}", flush=True)
        print(f"            {error.splitlines()[0][:160]}", flush=True)
        return True
    print(f"MISSED    {bug.name}: {bug.breaks}. {run.seconds:.0f} s, pytest exited with {run.exit_code}", flush=True)
    print(tail(run), flush=True)
    return False


def report_without(run: Run) -> bool:
    """The same tests without a bug: if they fail there, too, a caught bug means nothing."""
    counts = f"{len(run.passed)} passed, {len(run.failed) + len(run.broken)} failed, {len(run.skipped)} skipped"
    print(f"{'clean' if run.clean else 'NOT CLEAN':<10}without any bug: {counts}. {run.seconds:.0f} s", flush=True)
    if not run.clean:
        print(tail(run), flush=True)
    return run.clean


def tail(run: Run) -> str:
    return "\n".join(f"            {line}" for line in run.output.splitlines()[-TAIL_LINES:])


if __name__ == "__main__":
    sys.exit(main())
