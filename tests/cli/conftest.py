"""Every test of the command line has a project in a folder of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .shop import Shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    for name in [name for name in os.environ if name.startswith("CONVEXPY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.chdir(tmp_path)
    shop = Shop(tmp_path)
    shop.forget()
    yield shop
    shop.forget()


@pytest.fixture
def ready_shop(shop: Shop) -> Shop:
    """The same with its development database made."""
    shop.make_database()
    return shop
