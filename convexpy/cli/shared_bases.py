"""Declarative bases of other packages, such as SQLModel: reset, so that the app's models can be declared again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import MetaData
from sqlalchemy.orm import registry as Registry

ATTRIBUTES: Final = ("metadata", "registry", "_sa_registry")


def renew_shared_bases(package: str) -> Callable[[], None]:
    """Give such bases a new MetaData and registry. Returns a function that restores the old ones.

    The bases survive a reload of the package, and would refuse a second class for the same table. A base that models
    of other packages use too is left alone.
    """
    before: list[tuple[type, str, Any]] = []
    for base in shared_bases(package):
        old = base._sa_registry
        if not all(is_within(mapper.class_.__module__, package) for mapper in old.mappers):
            continue
        metadata = MetaData(schema=base.metadata.schema, naming_convention=base.metadata.naming_convention)
        registry = Registry(metadata=metadata, type_annotation_map=dict(old.type_annotation_map))
        for name in ATTRIBUTES:
            if name in vars(base):
                before.append((base, name, vars(base)[name]))
                setattr(base, name, metadata if name == "metadata" else registry)

    def restore() -> None:
        for base, name, value in before:
            setattr(base, name, value)

    return restore


def shared_bases(package: str) -> Iterator[Any]:
    """The declarative bases that the package's modules use and other packages define."""
    modules = [module for name, module in sys.modules.copy().items() if is_within(name, package)]
    classes = {value for module in modules for value in list(vars(module).values()) if isinstance(value, type)}
    for base in {base for each in classes for base in each.__mro__}:
        metadata = vars(base).get("metadata") if "_sa_registry" in vars(base) else None
        if isinstance(metadata, MetaData) and metadata.tables and not is_within(base.__module__, package):
            yield base


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
