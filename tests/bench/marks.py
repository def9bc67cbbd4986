"""What handlers leave behind for whoever measures: a few bytes in shared memory, so that looking costs them nothing.

Every process that runs jobs has a file of its own: when its first job started, and how many have. Another file has
one place for each sample of a latency. The clock is monotonic, and the same in all processes.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from pathlib import Path

FOLDER = "BENCH_MARKS"
SAMPLES = 4096
PROCESS = struct.Struct("=dq")
JOBS, JOBS_OFFSET = struct.Struct("=q"), 8
START = struct.Struct("=d")


class Marks:
    """The marks that this process makes."""

    def __init__(self) -> None:
        self._process: mmap.mmap | None = None
        self._starts: mmap.mmap | None = None
        self._jobs = 0
        self._turn = threading.Lock()  # handlers run in threads

    def job(self) -> None:
        """A job starts: the first line of its handler."""
        with self._turn:
            if self._process is None:
                self._process = self._open_process()
            self._jobs += 1
            JOBS.pack_into(self._process, JOBS_OFFSET, self._jobs)

    def start(self, i: int) -> None:
        """The job of this sample starts."""
        now = time.monotonic()
        if self._starts is None:
            with self._turn:
                self._starts = self._starts or mapped(Path(os.environ[FOLDER]) / "starts")
        START.pack_into(self._starts, START.size * i, now)

    def _open_process(self) -> mmap.mmap:
        path = Path(os.environ[FOLDER]) / f"{os.getpid()}.process"
        path.write_bytes(PROCESS.pack(time.monotonic(), 0))
        return mapped(path)


class Observed:
    """The marks of all processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        starts = folder / "starts"
        if not starts.exists():
            starts.write_bytes(bytes(START.size * SAMPLES))
        self._starts = mapped(starts)

    def jobs(self) -> int:
        """How many jobs have started; one that was run again counts again."""
        return sum(number for _, number in self._processes())

    def first(self) -> float:
        """When the first of them did."""
        return min(first for first, _ in self._processes())

    def started(self, i: int) -> float | None:
        (moment,) = START.unpack_from(self._starts, START.size * i)
        return moment or None

    def _processes(self) -> list[tuple[float, int]]:
        parts = (path.read_bytes() for path in self._folder.glob("*.process"))
        return [PROCESS.unpack(part) for part in parts if len(part) == PROCESS.size]


def mapped(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


marks = Marks()
