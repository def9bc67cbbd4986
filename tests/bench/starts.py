"""When jobs start, recorded by handlers in shared memory, so that reading it costs the measured process nothing.

Every process that runs jobs has a file of its own: when its first job started, and how many have started. Another file
has one slot for each sample of a latency. The clock is monotonic, and the same in all processes.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from pathlib import Path

FOLDER = "BENCH_STARTS"
SAMPLES = 4096
PROCESS = struct.Struct("=dq")
JOBS, JOBS_OFFSET = struct.Struct("=q"), 8
SAMPLE = struct.Struct("=d")


class StartRecorder:
    """Records the starts of this process's jobs."""

    def __init__(self) -> None:
        self._process: mmap.mmap | None = None
        self._samples: mmap.mmap | None = None
        self._jobs = 0
        self._lock = threading.Lock()  # handlers run in threads

    def job(self) -> None:
        """A job starts: the first line of its handler."""
        with self._lock:
            if self._process is None:
                self._process = self._open_process()
            self._jobs += 1
            JOBS.pack_into(self._process, JOBS_OFFSET, self._jobs)

    def sample(self, i: int) -> None:
        """The job of this sample starts."""
        now = time.monotonic()
        if self._samples is None:
            with self._lock:
                self._samples = self._samples or mapped(Path(os.environ[FOLDER]) / "samples")
        SAMPLE.pack_into(self._samples, SAMPLE.size * i, now)

    def _open_process(self) -> mmap.mmap:
        path = Path(os.environ[FOLDER]) / f"{os.getpid()}.process"
        path.write_bytes(PROCESS.pack(time.monotonic(), 0))
        return mapped(path)


class StartReader:
    """Reads the starts of all processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        samples = folder / "samples"
        if not samples.exists():
            samples.write_bytes(bytes(SAMPLE.size * SAMPLES))
        self._samples = mapped(samples)

    def jobs(self) -> int:
        """How many jobs have started; a job that runs again counts again."""
        return sum(number for _, number in self._processes())

    def first(self) -> float:
        """When the first of them started."""
        return min(first for first, _ in self._processes())

    def sample(self, i: int) -> float | None:
        """When the job of this sample started."""
        (moment,) = SAMPLE.unpack_from(self._samples, SAMPLE.size * i)
        return moment or None

    def _processes(self) -> list[tuple[float, int]]:
        parts = (path.read_bytes() for path in self._folder.glob("*.process"))
        return [PROCESS.unpack(part) for part in parts if len(part) == PROCESS.size]


def mapped(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


starts = StartRecorder()
