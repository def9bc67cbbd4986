"""The app whose crons are declared."""

from __future__ import annotations

from types import ModuleType

import pytest
from reports import awkward, count, send, sync, tidy

from convexpy.functions.registry import Registry


@pytest.fixture
def registry() -> Registry:
    module = ModuleType("reports")
    for function in (tidy, send, sync, count, awkward):
        setattr(module, function.__name__, function)
    return Registry({"reports": module})
