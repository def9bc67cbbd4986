"""What ``import convexpy`` costs: a file of functions needs SQLAlchemy and pydantic, and nothing else that is heavy."""

import os
import statistics
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
LIBRARIES = "sqlalchemy.orm, pydantic, typing_extensions"
HEAVY = {"alembic", "asyncio", "croniter", "psycopg", "pydantic_settings", "pytest", "rich", "typer", "watchfiles"}
SERVING = {"starlette", "uvicorn", "websockets", "httpx", "jwt"}
MOST = 0.8
"""Of what the libraries themselves cost: 150 ms on a machine where those take 190. There the package takes about 70."""
RUNS = 3
# The root imports each name when it is asked for; this is what a file of functions asks for.
NAMES = "from convexpy import ActionCtx, ConvexError, Identity, JobId, MutationCtx, QueryCtx, ScheduledFunction, query"


def run(code: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling the package anew is not what an import costs
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def milliseconds(imports: str) -> float:
    """The processor time of an import: unlike time on the clock, it does not count what other processes take."""
    code = f"import time; start = time.process_time()\n{imports}\nprint(time.process_time() - start)"
    return float(run(code)) * 1000


def test_importing_the_package_imports_no_library_of_some_commands() -> None:
    # What SQLAlchemy and pydantic import themselves, asyncio for one, is not ours to avoid.
    code = f"import sys, {LIBRARIES}; before = set(sys.modules)\n{NAMES}; print(*(set(sys.modules) - before))"
    imported = {module.partition(".")[0] for module in run(code).split()}
    assert "convexpy" in imported
    assert not imported & (HEAVY | SERVING)


def test_a_process_that_serves_nothing_imports_no_server() -> None:
    code = "import sys, convexpy.app, convexpy.cli.start, convexpy.cli.child_process; print(*sys.modules)"
    assert not {module.partition(".")[0] for module in run(code).split()} & SERVING


def test_no_module_behind_the_package_root_uses_a_heavy_library_itself() -> None:
    code = (
        f"import sys, types\n{NAMES}\n"
        "ours = [module for name, module in sys.modules.items() if name.partition('.')[0] == 'convexpy']\n"
        "for value in [value for module in ours for value in vars(module).values()]:\n"
        "    print(value.__name__ if isinstance(value, types.ModuleType) else getattr(value, '__module__', None))"
    )
    assert not {place.partition(".")[0] for place in run(code).split()} & HEAVY


def test_the_app_and_the_crons_are_imported_when_they_are_asked_for() -> None:
    code = f"import sys\n{NAMES}\nprint('convexpy.app' in sys.modules, 'convexpy.functions.crons' in sys.modules)"
    assert run(code) == "False False\n"
    assert run("from convexpy import *; print(Convex.__name__, Crons.__name__)") == "Convex Crons\n"


def test_importing_the_package_takes_little_beyond_its_libraries() -> None:
    libraries_only = f"import {LIBRARIES}"
    runs = [(milliseconds(libraries_only), milliseconds(f"{libraries_only}\n{NAMES}")) for _ in range(RUNS)]
    libraries, package = (statistics.median(times) for times in zip(*runs, strict=True))
    print(f"libraries {libraries:.0f} ms, convexpy {package - libraries:.0f} ms more")
    assert package - libraries < MOST * libraries
