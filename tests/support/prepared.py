"""The testing kit on the databases of these tests."""

from __future__ import annotations

from convexpy.testing import ConvexTest


class PreparedTest(ConvexTest):
    """On a database of the fixture ``database``: a copy whose tables are there, so that none are looked for."""

    @property
    def _is_copy(self) -> bool:
        return True

    def _prepare_database(self) -> str:
        assert self._database_url is not None
        return self._database_url
