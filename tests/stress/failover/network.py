"""Machines on a network of their own: network namespaces, joined by a bridge in the namespace of this process.

This process must have been started in an empty namespace, so that nothing of it touches a real network and everything
is gone when it ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

SUBNET: Final = "10.213.0"
BRIDGE: Final = "lan"
PROGRAMS: Final = ("ip", "unshare", "nsenter")


class Host:
    """One machine. It lives as long as the process that holds its namespace."""

    def __init__(self, number: int) -> None:
        self.address = f"{SUBNET}.{number}"
        self._cable = f"port{number}"
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])

    def connect(self) -> None:
        """Join the network, once the holder has left the namespace of this process."""
        ours = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self._holder.pid}/ns/net") == ours:
            os.sched_yield()
        inside = f"{self._cable}-inside"
        ip("link", "add", self._cable, "type", "veth", "peer", "name", inside)
        ip("link", "set", inside, "netns", str(self._holder.pid))
        ip("link", "set", self._cable, "master", BRIDGE, "up")
        for words in (("addr", "add", f"{self.address}/24", "dev", inside), ("link", "set", inside, "up")):
            subprocess.run([*self.prefix(), "ip", *words], check=True)
        subprocess.run([*self.prefix(), "ip", "link", "set", "lo", "up"], check=True)

    def prefix(self, user: int | None = None) -> list[str]:
        """What a command begins with to run on this machine, as this user."""
        identity = [] if user is None else ["-S", str(user), "-G", str(user)]
        return ["nsenter", "--net", "-t", str(self._holder.pid), *identity]

    def cut_off(self) -> None:
        """Cut it off from all others. Its processes go on."""
        ip("link", "set", self._cable, "down")

    def end(self) -> None:
        self._holder.kill()
        self._holder.wait()


@contextmanager
def hosts(number: int) -> Iterator[list[Host]]:
    """So many machines on one network, for the length of the block."""
    if number == 0:
        yield []
        return
    with ExitStack() as ends:
        ip("link", "set", "lo", "up")
        ip("link", "add", BRIDGE, "type", "bridge")
        ends.callback(ip, "link", "del", BRIDGE)
        ip("addr", "add", f"{SUBNET}.1/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        made = []
        for n in range(number):
            host = Host(n + 2)
            ends.callback(host.end)
            host.connect()
            made.append(host)
        yield made


def why_not() -> str | None:
    """Why there can be no such network here; None if there can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "only root may make network namespaces"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"there is no {', '.join(missing)}"
    words = ["unshare", "--net", "ip", "link", "add", BRIDGE, "type", "bridge"]
    tried = subprocess.run(words, capture_output=True, text=True)
    return f"`{' '.join(words)}` says: {tried.stderr.strip()}" if tried.returncode else None


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
