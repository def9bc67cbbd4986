"""A declarative base that outlives a reload, such as SQLModel."""

from __future__ import annotations

import sys

import pytest
from sqlalchemy import Integer
from sqlalchemy.orm import mapped_column

from convexpy.cli.shared_bases import renew_shared_bases
from convexpy.project import load_project

from .shop import Shop

BASE = """
    from sqlalchemy.orm import DeclarativeBase


    class Base(DeclarativeBase):
        pass
"""
MODEL = """
    from sqlalchemy.orm import Mapped, mapped_column

    from outside import Base


    class Order(Base):
        __tablename__ = "orders"

        id: Mapped[str] = mapped_column(primary_key=True)
"""


@pytest.fixture
def outside(shop: Shop) -> Shop:
    """With a base that the package does not define."""
    shop.write("outside.py", BASE)
    shop.write("shop/models.py", MODEL)
    shop.write("shop/orders.py", "from .models import Order\n")
    shop.write("shop/crons.py", "")
    load_project(shop.root).find_metadata()
    return shop


def test_it_is_as_new_afterwards_and_as_before_when_put_back(outside: Shop) -> None:
    base = sys.modules["shop.models"].Base
    before = base.metadata, base.registry
    put_back = renew_shared_bases("shop")
    assert not base.metadata.tables
    assert base.registry is not before[1]
    put_back()
    assert (base.metadata, base.registry) == before


def test_it_is_left_alone_if_other_packages_use_it_too(outside: Shop) -> None:
    base = sys.modules["shop.models"].Base
    attributes = {"__module__": "other", "__tablename__": "other", "id": mapped_column(Integer, primary_key=True)}
    other = type("Other", (base,), attributes)
    renew_shared_bases("shop")
    assert set(base.metadata.tables) == {"orders", "other"}
    assert other.metadata is base.metadata
