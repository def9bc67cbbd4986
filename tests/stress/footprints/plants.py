"""Bugs that the check must find: one change to one text of the package, made in the running process."""

from __future__ import annotations

import inspect
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any, NamedTuple


class Plant(NamedTuple):
    """``old`` becomes ``new`` in a module. ``databases`` are those on which it is a bug."""

    module: str
    old: str
    new: str
    databases: tuple[str, ...] = ("sqlite", "postgres")

    def plant(self) -> None:
        """Make the change.

        Raises:
            ValueError: The text is not there exactly once.
        """
        module = import_module(f"convexpy.{self.module}")
        source = inspect.getsource(module)
        if source.count(self.old) != 1:
            raise ValueError(f"{self.module} has {source.count(self.old)} times, not once: {self.old}")
        changed = dict(vars(module))
        exec(compile(source.replace(self.old, self.new), str(module.__file__), "exec"), changed)
        for name, thing in vars(module).copy().items():
            if getattr(thing, "__module__", None) == module.__name__:
                replace_code(thing, changed[name])


def replace_code(thing: Any, changed: Any) -> None:
    """Others hold the functions and classes already, so only the code within them is replaced."""
    if isinstance(thing, FunctionType):
        thing.__code__ = changed.__code__
    elif isinstance(thing, type) and not isinstance(thing, ModuleType):
        for name, member in vars(thing).items():
            if isinstance(member, FunctionType) and isinstance(vars(changed).get(name), FunctionType):
                if member.__code__.co_freevars == vars(changed)[name].__code__.co_freevars:
                    member.__code__ = vars(changed)[name].__code__
            elif isinstance(member, property) and member.fget is not None:
                member.fget.__code__ = vars(changed)[name].fget.__code__


SQLITE, POSTGRES = ("sqlite",), ("postgres",)
PLANTS = {
    "forgotten-cascade": Plant(
        "database.sqlite.footprints", "tables.writes - {name} if is_plain", "frozenset() if is_plain", SQLITE
    ),
    "forgotten-cascade-in-the-catalog": Plant(
        "database.postgres.catalog", "closure.tables |= self.family(foreign_key.table)", "pass", POSTGRES
    ),
    "cascade-to-itself-on-sqlite": Plant(
        "database.sqlite.authorizer", "max(counts.values(), default=0) != 1", "False", SQLITE
    ),
    "new-keys-without-old": Plant("runtime.flush_keys", "values = old | new", "values = set(new)"),
    "old-keys-without-new": Plant("runtime.flush_keys", "values = old | new", "values = set(old)"),
    "new-keys-without-old-in-statements": Plant(
        "database.write_keys", "return None if new is None else old | new", "return new"
    ),
    "preserved-side": Plant(
        "database.read_keys", "optional = Conditions(conditions, self._bind_name)", "optional = conditions"
    ),
    "or-as-and": Plant("database.pins", "and clause.operator is operators.and_", "and True"),
    "full-join": Plant(
        "database.read_keys", "elif source.full:", "elif source.full and conditions.add(source.onclause) is None:"
    ),
    "not-as-its-operand": Plant(
        "database.pins",
        "elif isinstance(clause, elements.Grouping):",
        "elif isinstance(clause, elements.Grouping | elements.UnaryExpression):",
    ),
    "unloaded-as-no-change": Plant(
        "runtime.flush_keys",
        "return UNKNOWN if isinstance(value, LoaderCallableStatus) else value",
        "return None if isinstance(value, LoaderCallableStatus) else value",
    ),
    "not-in-the-object-as-no-change": Plant(
        "runtime.flush_keys", "return now.get(name, UNKNOWN)", "return now.get(name)"
    ),
    "replace-keyed": Plant(
        "database.sqlite.authorizer", "return is_plain and not self._may_replace(table)", "return is_plain", SQLITE
    ),
    "prefix-ignored": Plant(
        "database.statement_compiler",
        "self.rendered.has_text = True\n        return super().visit_textclause",
        "pass\n        return super().visit_textclause",
    ),
    "upsert-keyed": Plant(
        "database.write_keys",
        'if column.name not in shared or column.family == "text" or {column.name, column.key} & updated:',
        "if False:",
    ),
    "null-key": Plant("database.write_keys", "and column.is_primary and None in found", "and False", SQLITE),
    "detached-believed": Plant("runtime.flush_keys", "if state not in foreign:", "if True:"),
    "made-up-believed": Plant("database.footprints", "if self.loads_made_up_rows:", "if False:"),
    "trigger-forgotten": Plant(
        "database.postgres.catalog",
        "if has_trigger or not is_plain or table in self._callers:",
        "if not is_plain:",
        POSTGRES,
    ),
    "deferred-trigger": Plant(
        "database.postgres.footprints",
        "if self._reads is None and schema.has_deferred_triggers:",
        "if False:",
        POSTGRES,
    ),
    "view-pinned": Plant("database.sqlite.footprints", "or not tables.reads_directly(real)", "", SQLITE),
    "view-as-a-table": Plant(
        "database.postgres.catalog",
        "return relation.kind in (TABLE, PARTITIONED, MATERIALIZED) and not relation.has_rules",
        "return True",
        POSTGRES,
    ),
    "hidden-names": Plant("database.read_keys", "conditions.hide(names)", "pass"),
    "first-of-a-list": Plant(
        "database.pins", "for row in rows for name in names]", "for row in rows for name in names[:1]]"
    ),
    "partitions": Plant(
        "database.postgres.catalog",
        "new = self._neighbours.get(left.pop(), set()) - found",
        "new = set(); left.pop()",
        POSTGRES,
    ),
    "key-of-another-row": Plant("runtime.flush_keys", "len(new) == self._inserted[writes.table] <= MOST_VALUES", "new"),
    "function": Plant("database.postgres.catalog", "self._functions.get(name) is False", "True", POSTGRES),
    "locks-forgotten": Plant(
        "database.postgres.footprints",
        "if self._asks:\n            self._ask()\n\n    def before_undo",
        "pass\n\n    def before_undo",
        POSTGRES,
    ),
    "default-of-the-users": Plant(
        "database.postgres.catalog", "not is_plain or table in self._callers", "not is_plain", POSTGRES
    ),
}
