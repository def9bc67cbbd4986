"""Somebody who outlives the run's parent by a moment, and takes its server along if it was killed."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from multiprocessing.connection import Connection

from servers.postgres import Server


def guard(server: Server, pipe: Connection) -> None:
    """The main function of the process: wait for the end of the parent, however it comes."""
    os.setsid()  # whatever ends the parent does not end it
    pipe.send("ready")
    with suppress(EOFError, ConnectionResetError):
        if pipe.recv()[0] == "stop":
            return
    if server.is_running():
        server.stop("immediate")
    shutil.rmtree(server.folder, ignore_errors=True)
