"""Pictures of every page of a running dashboard: ``python -m tests.dashboard.shots OUT [--url URL] [--key KEY]``.

Without an address it serves the tea shop itself. Each page is there wide and narrow, light and dark.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # as pytest does

import httpx  # noqa: E402
from playwright.sync_api import Browser, Error, sync_playwright  # noqa: E402
from support.chromium import ARGUMENTS, find_chromium  # noqa: E402

from .pages import Place, places  # noqa: E402
from .visitor import NARROW, WIDE, Theme, Visitor  # noqa: E402

SETTLED_MS = 1_000
SIZES = {"wide": WIDE, "narrow": NARROW}
THEMES: tuple[Theme, ...] = ("light", "dark")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.dashboard.shots", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="a folder for the pictures")
    parser.add_argument("--url", help="a running server, such as http://127.0.0.1:3210")
    parser.add_argument("--key", help="an admin key, if it asks for one")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these pages")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="wide, narrow")
    parser.add_argument("--themes", nargs="+", choices=THEMES, default=THEMES, help="light, dark")
    parser.add_argument("--full", action="store_true", help="the whole page, not only what fits the window")
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True, exist_ok=True)
    with served(wanted.url, wanted.key) as (url, key), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*ARGUMENTS])
        chosen = [place for place in places(url, key) if not wanted.only or place.name in wanted.only]
        for size in wanted.sizes:
            for theme in wanted.themes:
                take(browser, url, key, size, theme, chosen, wanted.out, full=wanted.full)
        browser.close()


@contextmanager
def served(url: str | None, key: str | None) -> Iterator[tuple[str, str | None]]:
    """The address and the key of a server: the given one, or one of its own for the block."""
    if url is not None:
        yield url.rstrip("/"), key
        return
    from .demo_server import DemoServer
    from .traffic import Traffic

    with TemporaryDirectory(prefix="teashop-") as folder:
        file = Path(folder) / "shop.db"
        with DemoServer(Path(folder), f"sqlite:///{file}", jobs=2_000) as server:
            traffic = Traffic(server.url, pause=0.3)
            with traffic.running():
                yield server.url, server.key


def take(
    browser: Browser,
    url: str,
    key: str | None,
    size: str,
    theme: Theme,
    chosen: list[Place],
    out: Path,
    **options: Any,
) -> None:
    """Take the pictures of one size and theme. A page that cannot be opened is said, and left out."""
    visitor = Visitor(browser, url, SIZES[size], theme)
    if key is not None:
        visitor.sign_in(key)
    for place in chosen:
        file = out / f"{place.name}-{size}-{theme}.png"
        try:
            visitor.open(place.path)
            visitor.settle()
            if place.prepare is not None:
                place.prepare(visitor.page)
            visitor.page.wait_for_timeout(SETTLED_MS)
            visitor.page.screenshot(path=file, full_page=options["full"])
            visitor.check()
        except (AssertionError, Error, httpx.HTTPError) as error:
            print(f"{file.name}: {error}", file=sys.stderr, flush=True)
    visitor.close()


if __name__ == "__main__":
    main()
