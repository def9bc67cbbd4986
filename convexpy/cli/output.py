"""Output: text, tables, times and JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console

# Characters that could move the cursor, forge a line or reverse text, in a terminal or a log.
CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def escaped(text: str) -> str:
    """Text that is safe to print: control characters as ``\\x1b``. Line ends stay."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """Text as a single safe line."""
    return escaped(text).replace("\n", "\\n")


def console(*, to_stderr: bool = False) -> Console:
    """A rich console that leaves text as it is: no markup, no wrapping; colour on terminals, unless NO_COLOR is set."""
    from rich.console import Console

    return Console(stderr=to_stderr, markup=False, highlight=False, emoji=False, soft_wrap=True)


def say(text: str, *, style: str | None = None, to_stderr: bool = False) -> None:
    """Print text at once. A style imports a terminal library, so it is applied on a terminal only."""
    stream = sys.stderr if to_stderr else sys.stdout
    if style is not None and stream.isatty():
        console(to_stderr=to_stderr).print(text, style=style)
    else:
        print(text, file=stream, flush=True)


def show_json(value: Any) -> None:
    """Print a value as JSON: indented on a terminal, one line elsewhere."""
    print(to_json(value, indent=2 if sys.stdout.isatty() else None), flush=True)


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON text that is safe to print."""
    return escaped_json(json.dumps(value, indent=indent, ensure_ascii=False, default=repr))


def escaped_json(text: str) -> str:
    """JSON text with its control characters escaped."""
    if text.isprintable():
        return text
    return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print rows under their columns, or the text for an empty table."""
    if not rows:
        say(empty)
    elif sys.stdout.isatty():
        print_rich_table(columns, rows)
    else:
        print_plain_table(columns, rows)


def print_rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(cell), style=STYLES.get(cell, "")) for cell in row))
    Console(highlight=False).print(table)


def print_plain_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [list(columns), *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


STYLES: Final = {
    "success": "green",
    "failed": "red",
    "canceled": "dim",
    "inProgress": "yellow",
    "public": "cyan",
}


def duration(seconds: float) -> str:
    """``3.2 ms``, ``5 s``, ``2 h``: the largest unit that fits, with two or three digits."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def relative(when: datetime, now: datetime) -> str:
    """``in 5 s``, ``3 min ago``, ``now``."""
    distance = when - now
    if abs(distance) < timedelta(milliseconds=500):
        return "now"
    away = duration(float(round(abs(distance).total_seconds(), 0 if abs(distance) > timedelta(seconds=1) else 1)))
    return f"in {away}" if distance > timedelta(0) else f"{away} ago"


def local(when: datetime) -> str:
    """``2026-11-23 12:01:05``, in this machine's time zone."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def clock_time(when: datetime) -> str:
    """``12:01:05``, in this machine's time zone."""
    return when.astimezone().strftime("%H:%M:%S")
