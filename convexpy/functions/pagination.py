"""Pages of a query: what a client asks for, and what it gets."""

from __future__ import annotations

from typing import Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Item = TypeVar("Item")

ARGUMENT: Final = "paginationOpts"
"""The name of a ``PaginationOpts`` parameter in JSON, whatever it is in Python: Convex's clients send it so."""

PageStatus: TypeAlias = Literal["SplitRecommended", "SplitRequired"]


class PaginationOpts(BaseModel):
    """Which page a client asks for. Other options of Convex's clients are accepted, and have no effect."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    num_items: int = Field(ge=1, le=10_000)
    """How many items the page has when it is first made. It may grow and shrink with its rows."""
    cursor: str | None = None
    """Where it begins: ``continue_cursor`` of the page before. None: at the first item."""
    end_cursor: str | None = None
    """Where it ends, whatever ``num_items`` says. None: after ``num_items``, or where it ended before."""
    id: float | None = None
    """Tells apart lists that are shown side by side. It has no other meaning."""


class Page(BaseModel, Generic[Item]):
    """A page of a query, as ``paginate`` makes it."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    page: list[Item]
    """The items."""
    is_done: bool
    """Whether the page ends with the last item there is."""
    continue_cursor: str
    """Where the next page begins."""
    split_cursor: str | None = None
    """Where a page that has grown too large can be split in two."""
    page_status: PageStatus | None = None
    """Whether it should be."""


def is_options(annotation: Any) -> bool:
    """Whether a parameter takes ``PaginationOpts``, possibly optional or with metadata."""
    if get_origin(annotation) is Annotated:
        return is_options(get_args(annotation)[0])
    return annotation is PaginationOpts or any(is_options(each) for each in get_args(annotation))
