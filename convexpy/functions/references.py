"""``api.orders.list`` and ``internal.orders.charge``: functions by name, where they cannot be imported."""

from __future__ import annotations

from typing import Any, Final

from .declare import Visibility


class Reference:
    """A function's name, looked up when the app is loaded or the call is made."""

    def __init__(self, visibility: Visibility, path: tuple[str, ...]) -> None:
        self._visibility = visibility
        self._path = path

    def __getattr__(self, part: str) -> Any:
        if part.startswith("__"):
            raise AttributeError(part)
        return Reference(self._visibility, (*self._path, part))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return name_of(self)

    def __repr__(self) -> str:
        return ".".join(("api" if self._visibility is Visibility.PUBLIC else "internal", *self._path))


def name_of(reference: Reference) -> str:
    """``"plugins/email:send"`` for ``internal.plugins.email.send``."""
    *modules, function = reference._path or ("",)
    return f"{'/'.join(modules)}:{function}"


def visibility_of(reference: Reference) -> Visibility:
    """Whether the reference began with ``api`` or with ``internal``."""
    return reference._visibility


# Typed as Any: the function behind a name is not known to a type checker. Import the function where you can.
api: Final[Any] = Reference(Visibility.PUBLIC, ())
internal: Final[Any] = Reference(Visibility.INTERNAL, ())
