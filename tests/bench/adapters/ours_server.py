"""The server process of ``convexpy start``, without the supervisor and the worker beside it."""

from __future__ import annotations

import sys

from convexpy.cli.service import Service, run_service

from ..config import Config
from ..process import ROOT

if __name__ == "__main__":
    given = Config.from_json(sys.argv[1])
    run_service(Service(ROOT, given.url, False, "127.0.0.1", int(given.options["port"]), serves=True, works=False))
