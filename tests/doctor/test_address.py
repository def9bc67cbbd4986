"""Where the server listens, and what those that reach it there may do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from support.databases import new_database

from convexpy import Settings
from convexpy.doctor.checks import run_checks

AUTH = ({"issuer": "https://issuer.example", "audience": "shop"},)


@pytest.mark.parametrize(
    ("settings", "marks"),
    [
        ({}, []),
        ({"host": "localhost", "debug": True}, []),
        ({"host": "::1"}, []),
        ({"host": "0.0.0.0"}, ["note"]),
        ({"host": "shop.example", "auth": AUTH}, []),
        ({"host": "10.0.0.1", "auth": AUTH, "debug": True}, ["risk"]),
        ({"host": "::", "debug": True}, ["risk", "note"]),
    ],
)
def test_an_address_that_others_reach_is_remarked_on(
    settings: dict[str, Any], marks: list[str], tmp_path: Path
) -> None:
    for url in new_database("sqlite", tmp_path):
        findings = run_checks(make_url(url), Settings(**settings))
        assert [each.mark for each in findings if each.about == "address"] == marks
