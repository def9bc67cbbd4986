"""A file that many processes append to, line by line, and that survives every one of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class Journal:
    """JSON lines. Each write is one call of the system, so lines of several processes do not mix."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, lines: Iterable[dict[str, Any]], *, sync: bool = False) -> None:
        """Append lines; with ``sync`` they are on the disk when this returns."""
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        os.write(self._file, text.encode())
        if sync:
            os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)
