"""The savepoints of one call. What a savepoint undoes includes what was scheduled and canceled since it began."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any, Final, NamedTuple, Protocol

from ..errors import TransactionEnded

# What may stand before the first word of a statement, and behind its last.
BEFORE: Final = r"(?:\s|;|--[^\n]*\n|/\*.*?\*/)*"
AFTER: Final = r"(?:\s|;|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
SAVEPOINT_STATEMENT: Final = re.compile(
    BEFORE + r"(SAVEPOINT|ROLLBACK\s+TO|RELEASE)\b(?:\s+SAVEPOINT\b(?!" + AFTER + r"$))?"
    r"\s+(\"(?:[^\"]|\"\")+\"|`[^`]+`|\[[^\]]+\]|'[^']+'|[^\W\d][\w$]*)" + AFTER,
    re.IGNORECASE | re.DOTALL,
)
ABOUT_SAVEPOINTS: Final = re.compile(BEFORE + r"(SAVEPOINT|ROLLBACK\s+TO|RELEASE)\b", re.IGNORECASE | re.DOTALL)


class SavepointStatement(NamedTuple):
    """``SAVEPOINT``, ``ROLLBACK`` or ``RELEASE``, and the name as it is written. No name: it cannot be read."""

    verb: str
    name: str


def read_savepoint(statement: str) -> SavepointStatement | None:
    """What a statement does to a savepoint; None: nothing."""
    about = ABOUT_SAVEPOINTS.match(statement)
    if about is None:
        return None
    whole = SAVEPOINT_STATEMENT.fullmatch(statement)
    verb = about[1].split()[0].upper()
    return SavepointStatement(verb, whole[2] if whole else "")


class SavepointWork(Protocol):
    """What a call has written and scheduled, as far as a savepoint may undo it."""

    def mark(self) -> Any:
        """How much is scheduled and canceled now."""
        ...

    def undo_to(self, mark: Any) -> None:
        """Forget what was scheduled and canceled after a mark."""
        ...

    def send_rows(self) -> None:
        """Send the session's changes, so that they lie on the side of the savepoint on which they were made."""
        ...

    def forget_rows(self) -> None:
        """Rows may not be what the session has read."""
        ...


class Savepoint(NamedTuple):
    """A savepoint that the database knows. ``is_own``: ``ctx.db`` made it, which keeps its rows in step itself."""

    name: str
    mark: Any
    is_own: bool


class Savepoints:
    """Savepoints by name, as the database knows them, and parts of sessions, which may have no savepoint yet."""

    def __init__(self, work: SavepointWork | None, dialect: str) -> None:
        self._work = work
        self._folds_case = dialect == "sqlite"
        self._named: list[Savepoint] = []
        self._parts: dict[Hashable, Any] = {}
        self.is_own = False
        """Whether ``ctx.db`` makes a savepoint at this moment."""

    @property
    def is_any_open(self) -> bool:
        """Whether the database knows a savepoint of this call."""
        return bool(self._named)

    def follow(self, statement: SavepointStatement) -> None:
        """A statement is about to be sent.

        Raises:
            TransactionEnded: It is about a savepoint that this call did not make, or it cannot be read.
        """
        if not statement.name:
            raise TransactionEnded(
                f"this {statement.verb} statement cannot be followed. "
                "Send it alone, or use `with ctx.db.begin_nested():` for a part that may be undone"
            )
        name = self._folded(statement.name)
        if statement.verb == "SAVEPOINT":
            self._begin_named(name)
            return
        index = max((index for index, each in enumerate(self._named) if each.name == name), default=None)
        if index is None:
            raise TransactionEnded(f"this call has no savepoint {statement.name} that is still open")
        if statement.verb == "RELEASE":
            del self._named[index:]
            return
        self._undo(self._named[index])
        del self._named[index + 1 :]  # it is still there itself

    def _begin_named(self, name: str) -> None:
        mark = None
        if self._work is not None:
            if not self.is_own:
                self._work.send_rows()
            mark = self._work.mark()
        self._named.append(Savepoint(name, mark, self.is_own))

    def _undo(self, savepoint: Savepoint) -> None:
        if self._work is None:
            return
        if not savepoint.is_own:
            self._work.send_rows()
            self._work.forget_rows()
        self._work.undo_to(savepoint.mark)

    def begin(self, part: Hashable) -> None:
        """A part of a session begins."""
        if self._work is not None:
            self._parts[part] = self._work.mark()

    def keep(self, part: Hashable) -> None:
        """A part is done."""
        self._parts.pop(part, None)

    def undo(self, part: Hashable) -> None:
        """A part is over, and what it wrote is undone unless it was kept."""
        if part in self._parts and self._work is not None:
            self._work.undo_to(self._parts.pop(part))

    def close(self) -> None:
        """The call is over."""
        self._work = None  # it refers to this: the two would wait for the garbage collector
        self._parts.clear()

    def _folded(self, name: str) -> str:
        if name[0] in "\"`['":
            return name[1:-1].lower() if self._folds_case else name[1:-1]
        return name.lower()
