"""What the commands open: engines, folders, turns."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import SQLAlchemyError

from convexpy.cli.opening import schema_engine
from convexpy.database.errors import LockTimeout
from convexpy.settings import Settings

from .shop import Shop


def test_nobody_writes_while_tables_are_changed(ready_shop: Shop) -> None:
    ready_shop.write("pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\nlock_timeout = 0.01\n')
    with ready_shop.convex() as convex, schema_engine(convex.database.url) as engine:
        assert convex.settings != Settings()
        for _ in range(2):
            with engine.connect(), pytest.raises(LockTimeout), convex.database.write():
                pass
            with convex.database.write():
                pass
        with pytest.raises(SQLAlchemyError), engine.connect() as connection:
            connection.exec_driver_sql("nonsense")
        with convex.database.write():
            pass
