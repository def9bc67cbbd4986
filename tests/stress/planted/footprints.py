"""Bugs in what transactions are recorded to have written, and live runs to have read."""

from __future__ import annotations

from typing import Final

from .bug import Bug

KEYS: Final = "tests/database/test_statement_keys.py"
SELECTS: Final = f"{KEYS}::test_a_select_reads_what_its_conditions_pin"
CHANGES: Final = f"{KEYS}::test_a_change_writes_rows_of_known_keys"
RECORDED: Final = "tests/database/test_footprints.py"
STALE: Final = "a live query keeps a result that is no longer true"

FOOTPRINTS: Final = (
    Bug(
        name="a cascade is forgotten on SQLite",
        breaks=STALE,
        file="database/sqlite/footprints.py",
        old="tables.writes - {name} if is_plain",
        new="frozenset() if is_plain",
        tests=(f"{RECORDED}::test_a_cascade_is_written_too",),
    ),
    Bug(
        name="a cascade is forgotten on PostgreSQL",
        breaks=STALE,
        file="database/postgres/catalog.py",
        old="closure.tables |= self.family(foreign_key.table)",
        new="pass",
        tests=(f"{RECORDED}::test_a_cascade_is_written_too",),
    ),
    Bug(
        name="only new keys are written",
        breaks="a live list keeps a row that was moved to another",
        file="runtime/flush_keys.py",
        old="values = old | new",
        new="values = set(new)",
        tests=(f"{RECORDED}::test_a_changed_key_has_an_old_and_a_new_value",),
    ),
    Bug(
        name="an outer join pins its preserved side",
        breaks=STALE,
        file="database/read_keys.py",
        old="optional = Conditions(conditions, self._bind_name)",
        new="optional = conditions",
        tests=(f"{SELECTS}[preserved side by ON]",),
    ),
    Bug(
        name="a full join pins by its ON",
        breaks=STALE,
        file="database/read_keys.py",
        old="elif source.full:",
        new="elif source.full and conditions.add(source.onclause) is None:",
        tests=(f"{SELECTS}[full join by ON]",),
    ),
    Bug(
        name="OR pins like AND",
        breaks=STALE,
        file="database/pins.py",
        old="and clause.operator is operators.and_",
        new="and True",
        tests=(f"{SELECTS}[or]",),
    ),
    Bug(
        name="what was not loaded is no change",
        breaks=STALE,
        file="runtime/flush_keys.py",
        old="return UNKNOWN if isinstance(value, LoaderCallableStatus) else value",
        new="return None if isinstance(value, LoaderCallableStatus) else value",
        tests=(f"{RECORDED}::test_what_was_not_loaded_is_not_known",),
    ),
    Bug(
        name="a row that gives way is forgotten",
        breaks=STALE,
        file="database/sqlite/authorizer.py",
        old="return is_plain and not self._may_replace(table)",
        new="return is_plain",
        tests=(f"{RECORDED}::test_a_row_that_gives_way_leaves_no_keys[sqlite]",),
    ),
    Bug(
        name="an object of another session is believed",
        breaks="a live list keeps a row that another transaction has moved there",
        file="runtime/flush_keys.py",
        old="if state not in foreign:",
        new="if True:",
        tests=(f"{RECORDED}::test_an_object_of_another_session_is_not_believed",),
    ),
    Bug(
        name="a deferred trigger is too late for the locks",
        breaks=STALE,
        file="database/postgres/footprints.py",
        old="if self._reads is None and schema.has_deferred_triggers:",
        new="if False:",
        tests=(f"{RECORDED}::test_a_deferred_trigger_runs_before_the_locks_are_looked_at[postgres]",),
    ),
    Bug(
        name="the locks of an undone savepoint are gone",
        breaks=STALE,
        file="database/transaction.py",
        old="                self.footprints.before_undo()\n",
        new="                pass\n",
        tests=(f"{RECORDED}::test_what_an_undone_savepoint_read_counts",),
    ),
    Bug(
        name="an upsert has the keys of its new row only",
        breaks=STALE,
        file="database/write_keys.py",
        old='if column.name not in shared or column.family == "text" or {column.name, column.key} & updated:',
        new="if False:",
        tests=(f"{CHANGES}[do update by a text]",),
    ),
    Bug(
        name="what a compiler has noted is given up before all threads have it",
        breaks="until the process ends, what an UPDATE writes is not recorded: live queries keep old results",
        file="database/statement_keys.py",
        old="            self._read_keys = ReadKeys(rendered, names.get)\n",
        new="""\
            self._read_keys = ReadKeys(rendered, names.get)
        rendered.scopes.clear()
        rendered.changes.clear()
""",
        tests=(f"{KEYS}::test_threads_that_send_a_statement_first_find_the_same",),
    ),
)
