"""Bugs in the framework's own revisions: what an upgrade loses."""

from __future__ import annotations

from typing import Final

from .bug import Bug

UPGRADE: Final = "tests/migrations/test_upgrade.py"
KEEPS: Final = f"{UPGRADE}::test_an_upgrade_keeps_what_version_0_1_0_recorded"
REVISION: Final = "migrations/versions/convexpy_0004.py"

UPGRADES: Final = (
    Bug(
        name="an upgrade loses the commits",
        breaks="a COMMIT whose answer was lost during an upgrade is done again, and both count",
        file=REVISION,
        old="""        rename_table("_convexpy_receipts", "_convexpy_commits")\n""",
        new="""\
        op.drop_table("_convexpy_receipts")
        op.create_table("_convexpy_commits", sa.Column("id", sa.String(32), primary_key=True))
""",
        tests=(KEEPS,),
    ),
    Bug(
        name="an upgrade loses the metadata",
        breaks="development sync no longer knows which tables it made, and leaves those that were removed",
        file=REVISION,
        old="""        rename_table("_convexpy_notes", "_convexpy_metadata")\n""",
        new="""\
        rename_table("_convexpy_notes", "_convexpy_metadata")
        op.execute("DELETE FROM _convexpy_metadata")
""",
        tests=(KEEPS,),
    ),
    Bug(
        name="an upgrade loses the workers",
        breaks="whether a worker of the old version is still alive is unknown, and its running actions fail",
        file=REVISION,
        old="""            workers.alter_column("place", new_column_name="host")\n""",
        new="""\
            workers.alter_column("place", new_column_name="host")
        op.execute("DELETE FROM _convexpy_workers")
""",
        tests=(KEEPS,),
    ),
)
