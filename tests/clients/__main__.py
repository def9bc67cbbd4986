"""``python -m tests.clients``: all tests of official clients and of our own, those left out by default included."""

import sys
from pathlib import Path

import pytest

sys.exit(pytest.main(["-m", "", "-n", "2", str(Path(__file__).parent), *sys.argv[1:]]))
