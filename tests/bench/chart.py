"""The medians as bar charts, in SVG."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from .table import amount

WIDTH, LEFT, BARS = 880, 260, 380
LINE, GAP, TOP = 20, 26, 20
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.note{fill:#6e7781}"
    ".ours{fill:#2563eb}.theirs{fill:#b6bfca}.spread{stroke:#57606a}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#8b949e}.theirs{fill:#484f58}}"
)


def chart(data: dict[str, Any]) -> str:
    """A group of bars for each workload with several systems: the first figure of each, with its spread."""
    parts: list[str] = []
    y = TOP
    for workload in data["workloads"]:
        if len(workload["rows"]) < 2:
            continue
        parts.append(text(0, y, workload["title"], "title"))
        y += LINE
        y = group(parts, y, workload["rows"]) + GAP
    y = max(y, LINE)
    size = f'width="{WIDTH}" height="{y}" viewBox="0 -4 {WIDTH} {y}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><style>{STYLE}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def group(parts: list[str], y: int, rows: list[dict[str, Any]]) -> int:
    figure = next((name for row in rows for name in row["medians"]), "")
    longest = max((max(row["values"][figure]) for row in rows if row["medians"].get(figure)), default=1.0) or 1.0
    for row in rows:
        parts.append(text(0, y, row["system"]))
        found = row["medians"].get(figure)
        if found is None:
            parts.append(text(LEFT, y, row["problem"] or "not measured", "note"))
        else:
            kind = "ours" if row["system"].startswith("convexpy") else "theirs"
            parts.append(bar(y, found / longest, kind))
            low, high = (LEFT + BARS * edge(row["values"][figure]) / longest for edge in (min, max))
            middle = y - 5
            parts.append(f'<line class="spread" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>')
            parts.append(text(LEFT + BARS + 8, y, f"{amount(found)} {figure}", "note"))
        y += LINE
    return y


def bar(y: int, part: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{LEFT}" y="{y - 12}" width="{max(1.0, BARS * part):.1f}" height="14" rx="2"/>'


def text(x: int, y: int, words: str, kind: str = "") -> str:
    of_kind = f' class="{kind}"' if kind else ""
    return f'<text{of_kind} x="{x}" y="{y}">{escape(words)}</text>'
