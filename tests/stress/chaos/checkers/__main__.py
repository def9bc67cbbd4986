"""``python -m tests.stress.chaos.checkers FOLDER``: the verdict. 0: clean, 1: a promise is broken, 2: not judged."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from .jobs import Rules
from .report import MOST_VIOLATIONS, check


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.stress.chaos.checkers", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder with the files of one run")
    parser.add_argument("--json", action="store_true", help="print numbers for a program")
    parser.add_argument("--show", type=int, default=MOST_VIOLATIONS, metavar="N", help="show so many violations")
    parser.add_argument("--tolerance", type=float, default=Rules.tolerance, help="seconds by which clocks may differ")
    parser.add_argument("--grace", type=float, default=Rules.grace, help="seconds after a fault that still count as it")
    parser.add_argument("--longest-delay", type=float, help="a longer delay outside of faults is a violation")
    parser.add_argument("--excuses", metavar="WORD", help="faults of this kind move workers' clocks: early is excused")
    given = parser.parse_args(words)
    rules = Rules(given.tolerance, given.grace, given.longest_delay, given.excuses)
    try:
        report = check(given.folder, rules)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if given.json:
        print(json.dumps(report.to_json(), indent=2))
    else:
        for line in report.lines(given.show):
            print(line)
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
