"""The command itself, for two short minutes on each database."""

from __future__ import annotations

from pathlib import Path

from servers.shared import drop, new_database

from .story import Wishes, play

SHORT = Wishes(minutes=2, minute_seconds=1.0, retention_minutes=0.01, hold=(1, 2), ahead=1_000)


def plays(url: str, folder: Path) -> None:
    minutes = list(play(url, folder, SHORT))  # it raises unless every job has succeeded
    assert [(minute.number, minute.held) for minute in minutes] == [(1, True), (2, True)]
    assert minutes[-1].megabytes > 0
    assert "jobs/s" in minutes[-1].line()


def test_a_short_run_on_a_file(tmp_path: Path) -> None:
    plays(f"sqlite:///{tmp_path / 'app.db'}", tmp_path)


def test_a_short_run_on_a_server(tmp_path: Path) -> None:
    url = new_database()
    try:
        plays(url.set(drivername="postgresql").render_as_string(hide_password=False), tmp_path)
    finally:
        drop(url)
