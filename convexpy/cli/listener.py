"""The socket at which a server listens."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Final

from .failure import Failure

if TYPE_CHECKING:
    from ..settings import Settings

ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})


def bound(settings: Settings) -> socket.socket:
    """A socket at the host and the port of the settings. Clients are refused until it listens.

    Raises:
        Failure: The port is taken, or the address cannot be used.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Failure(f"{host!r} cannot be listened at: {error.strerror}", HOST_FIX) from error
    try:
        if os.name == "posix":  # elsewhere it would allow to take over the port of another program
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise unusable(host, port, error) from error
    return listener


HOST_FIX: Final = "Name an address of this machine with --host: 127.0.0.1 for this machine only, 0.0.0.0 for all."


def unusable(host: str, port: int, error: OSError) -> Failure:
    """What a command prints when it cannot listen."""
    if error.errno == errno.EADDRINUSE:
        return Failure(f"port {port} at {host} is taken by another program", "Choose another with --port, or --port 0.")
    if error.errno == errno.EACCES:
        return Failure(f"port {port} at {host} is not for this user", "Choose one above 1023 with --port.")
    return Failure(f"{host!r} cannot be listened at: {error.strerror}", HOST_FIX)


def url_of(listener: socket.socket) -> str:
    """Where a browser on this machine finds what listens there: ``http://127.0.0.1:3210``."""
    host, port = listener.getsockname()[:2]
    if host in ANY_ADDRESS:
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
