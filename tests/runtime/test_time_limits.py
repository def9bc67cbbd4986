"""What a handler's time limit leaves behind in the interpreter: nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SECONDS = 20.0
# Where Python still looks for an interruption at every instruction, it never gets past the first one under a profiler.
PROFILED = """
import sys
from datetime import timedelta
from convexpy import Convex, FunctionTimeout, QueryCtx, Settings, query

@query
def endless(ctx: QueryCtx) -> None:
    while True:
        pass

def quick() -> None:
    pass

with Convex(f"sqlite:///{sys.argv[1]}/app.db", functions=sys.modules["__main__"],
            settings=Settings(query_time_limit=timedelta(milliseconds=20))) as convex:
    convex.migrate()
    try:
        convex.run(endless)
    except FunctionTimeout:
        sys.setprofile(lambda *_: None)
        quick()
        sys.setprofile(None)
        print("goes on")
"""


def test_python_can_be_profiled_after_a_function_ran_too_long(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROFILED, str(tmp_path)], capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.stdout == "goes on\n", done.stderr[-2000:]
