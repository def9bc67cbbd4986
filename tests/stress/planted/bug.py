"""A bug: one change to one file of the package, what it would do to a user, and the tests that must notice it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class TextNotFound(Exception):
    """The code that a bug changes is not in its file, or more than once."""


@dataclass(frozen=True)
class Bug:
    """``old`` becomes ``new`` in ``file``, a path within the package. ``tests`` are the tests that pytest runs."""

    name: str
    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def plant(self, package: Path) -> None:
        """Change a copy of the package.

        Raises:
            TextNotFound: The old text must occur exactly once, and does not.
        """
        file = package / self.file
        text = file.read_text("utf-8")
        if (times := text.count(self.old)) != 1:
            raise TextNotFound(
                f"the bug {self.name!r} changes a text of {self.file} that occurs {times} times there, not once. "
                "Adapt the bug to the code as it is now"
            )
        file.write_text(text.replace(self.old, self.new), "utf-8")
