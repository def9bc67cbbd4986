"""Bugs in what `convexpy dev` and revisions do to the user's tables."""

from __future__ import annotations

from typing import Final

from .bug import Bug

NAMES: Final = "tests/migrations/test_names.py"

DEFINITIONS: Final = "tests/migrations/test_definitions.py"
UNAPPLIED: Final = "tests/cli/test_unapplied.py"

TABLES: Final = (
    Bug(
        name="a change of case is no rename",
        breaks="a column whose name changes its case is dropped with its values, and an empty one is added",
        file="migrations/renames.py",
        old="    return candidates[0] if len(candidates) == 1 else None\n",
        new="    return None\n",
        tests=(f"{NAMES}::test_a_column_that_changes_its_case_keeps_its_values",),
    ),
    Bug(
        name="a changed CHECK is not seen",
        breaks="dev says that the tables are in step, and the database refuses values that the models allow",
        file="migrations/definitions.py",
        old="    return sorted_by_name(there.checks) == sorted_by_name(wanted.checks)\n",
        new="    return True\n",
        tests=(f"{DEFINITIONS}::test_dev_follows",),
    ),
    Bug(
        name="a start on tables that are not there yet",
        breaks="the code runs before its revision has, and every job that is due fails for good",
        file="cli/service.py",
        old="        if not allow_unapplied:\n",
        new="        if gap.unknown:\n",
        tests=(f"{UNAPPLIED}::test_a_database_that_lacks_a_revision_is_refused",),
    ),
)
