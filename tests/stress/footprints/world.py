"""A random schema: the same tables each time, with other types, foreign keys, constraints, triggers and views."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Computed,
    Connection,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import DeclarativeBase, relationship

UUIDS = tuple(uuid.UUID(int=number * 0x1234567 + 7) for number in range(8))
KEYS: dict[str, tuple[Any, Callable[[int], Any]]] = {
    "int": (Integer, lambda number: number),
    "uuid": (Uuid, lambda number: UUIDS[number % 8]),
    "text": (String(10), lambda number: "abcdefgh"[number % 8]),
}
ACTIONS = (None, "CASCADE", "CASCADE", "SET NULL")


class World:
    """The mapped classes of one schema, and the values of their keys."""

    def __init__(self, rng: random.Random, dialect: str) -> None:
        self.rng = rng
        self.dialect = dialect
        self.is_postgres = dialect == "postgresql"
        self.key_kind = rng.choice(tuple(KEYS))
        key_type, self.tenant_key = KEYS[self.key_kind]
        self.statements: list[str] = []
        self.removals: list[str] = []

        self.is_passive = rng.random() < 0.5

        class Base(DeclarativeBase):
            metadata = MetaData()

        self.Base = Base
        self.Tenant = self._map_tenant(key_type)
        self.Item, self.Special, self.Odd = self._map_items(key_type)
        self.Pair, self.Log = self._map_pair(), self._map_log()
        self.Tag, self.item_tag = self._map_tag()
        self.ItemView = self._map_view(key_type)
        self._relate()
        self.has_function = self.has_partitions = False
        self._add_view()
        self._add_triggers()
        if self.is_postgres:
            self._add_functions()
            self._add_partitions()

    def _reference(self, target: str) -> ForeignKey:
        return ForeignKey(target, ondelete=self.rng.choice(ACTIONS), onupdate=self.rng.choice(ACTIONS))

    def _unique_name(self) -> UniqueConstraint:
        """Of a name, where on SQLite a new row may take the place of an old one."""
        replaces = {"sqlite_on_conflict": "REPLACE"} if self.rng.random() < 0.6 else {}
        return UniqueConstraint("name", **replaces)

    def _map_tenant(self, key_type: Any) -> Any:
        class Tenant(self.Base):
            __table__ = Table(
                "tenant",
                self.Base.metadata,
                Column("id", key_type, primary_key=True, autoincrement=False),
                Column("name", Text),
                Column("k", Integer, index=True),
                Column("v", Integer),
                self._unique_name(),
            )

        return Tenant

    def _map_items(self, key_type: Any) -> tuple[Any, Any, Any]:
        """A class and two below it: one with a table of its own, one without."""
        rng = self.rng
        is_generated = rng.random() < 0.6
        generated = [Column("twice", Integer, Computed("k * 2", persisted=True), index=True)] if is_generated else []

        class Item(self.Base):
            __table__ = Table(
                "item",
                self.Base.metadata,
                Column("id", Integer, primary_key=True),
                Column("type", String(10), index=True),
                Column("tenant_id", key_type, self._reference("tenant.id"), nullable=True),
                Column("parent_id", Integer, self._reference("item.id"), nullable=True),
                Column("k", Integer, index=True),
                Column("flag", Boolean, index=True),
                Column("label", String(10), index=True),
                Column("v", Integer),
                *generated,
            )
            __mapper_args__ = {  # noqa: RUF012
                "polymorphic_on": __table__.c.type,
                "polymorphic_identity": "item",
                "with_polymorphic": rng.choice((None, None, None, "*")),
            }

        class Special(Item):
            __table__ = Table(
                "special",
                self.Base.metadata,
                Column("id", Integer, ForeignKey("item.id", ondelete=rng.choice(("CASCADE", None))), primary_key=True),
                Column("k2", Integer, index=True),
                Column("w", Integer),
            )
            __mapper_args__ = {"polymorphic_identity": "special"}  # noqa: RUF012

        class Odd(Item):
            __mapper_args__ = {"polymorphic_identity": "odd"}  # noqa: RUF012

        return Item, Special, Odd

    def _map_pair(self) -> Any:
        class Pair(self.Base):
            __table__ = Table(
                "pair",
                self.Base.metadata,
                Column("a", Integer, primary_key=True, autoincrement=False),
                Column("b", Integer, primary_key=True, autoincrement=False),
                Column("v", Integer),
            )

        return Pair

    def _map_tag(self) -> tuple[Any, Table]:
        class Tag(self.Base):
            __table__ = Table(
                "tag",
                self.Base.metadata,
                Column("id", Integer, primary_key=True),
                Column("name", String(10)),
                Column("v", Integer),
                self._unique_name(),
            )

        item_tag = Table(
            "item_tag",
            self.Base.metadata,
            Column("item_id", ForeignKey("item.id", ondelete="CASCADE", onupdate="CASCADE"), primary_key=True),
            Column("tag_id", ForeignKey("tag.id", ondelete="CASCADE", onupdate="CASCADE"), primary_key=True),
        )
        return Tag, item_tag

    def _map_log(self) -> Any:
        class Log(self.Base):
            __table__ = Table(
                "log",
                self.Base.metadata,
                Column("id", Integer, primary_key=True),
                Column("n", Integer, index=True),
            )

        return Log

    def _map_view(self, key_type: Any) -> Any:
        class ItemView(self.Base):
            __table__ = Table(
                "item_view",
                MetaData(),
                Column("id", Integer, primary_key=True),
                Column("tenant_id", key_type, index=True),
                Column("k", Integer, index=True),
            )

        return ItemView

    def _relate(self) -> None:
        Tenant, Item, Tag = self.Tenant, self.Item, self.Tag
        parent, passive = [Item.__table__.c.parent_id], self.is_passive
        Tenant.items = relationship(Item, back_populates="tenant", passive_deletes=passive, order_by=Item.id)
        Item.tenant = relationship(Tenant, back_populates="items")
        Item.children = relationship(
            Item, back_populates="parent", passive_deletes=passive, foreign_keys=parent, order_by=Item.id
        )
        Item.parent = relationship(
            Item, back_populates="children", remote_side=[Item.__table__.c.id], foreign_keys=parent
        )
        Item.tags = relationship(Tag, secondary=self.item_tag, back_populates="items", order_by=Tag.id)
        Tag.items = relationship(Item, secondary=self.item_tag, back_populates="tags", order_by=Item.id)

    def create(self, connection: Connection) -> None:
        """Make the tables and what hangs on them."""
        self.Base.metadata.create_all(connection)
        for statement in self.statements:
            connection.exec_driver_sql(statement)

    def drop(self, connection: Connection) -> None:
        """Remove them."""
        for statement in reversed(self.removals):
            connection.exec_driver_sql(statement)
        cascade = " CASCADE" if self.is_postgres else ""
        for table in reversed(self.Base.metadata.sorted_tables):
            connection.exec_driver_sql(f"DROP TABLE {table.name}{cascade}")

    def _add(self, create: str, remove: str | None = None) -> None:
        self.statements.append(create)
        if remove is not None:
            self.removals.append(remove)

    def _add_view(self) -> None:
        join = self.rng.choice(("", " JOIN tenant t ON t.id = i.tenant_id AND t.v > 0"))
        self._add(
            f"CREATE VIEW item_view AS SELECT i.id, i.tenant_id, i.k FROM item i{join} WHERE i.v > 0",
            "DROP VIEW item_view",
        )

    def _add_triggers(self) -> None:
        effects = {
            "log": "INSERT INTO log (n) VALUES (1)",
            "other": "UPDATE tenant SET v = v + 1 WHERE k = 1",
            "tag": "UPDATE tag SET v = v + 1 WHERE v < 50",
            "delete": "DELETE FROM log WHERE n = 2",
        }
        for table in ("item", "pair", "tag"):
            if self.rng.random() < 0.3:
                event, effect = self.rng.choice(("INSERT", "UPDATE", "DELETE")), self.rng.choice(tuple(effects))
                if table == "tag" and effect == "tag" and event == "UPDATE":
                    continue  # without end
                self._add_trigger(f"{table}_{event.lower()}", table, event, effects[effect])

    def _add_trigger(self, name: str, table: str, event: str, effect: str) -> None:
        if not self.is_postgres:
            self._add(f"CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {effect}; END")
            return
        self._add(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {effect}; RETURN NULL; END $$",
            f"DROP FUNCTION {name} CASCADE",
        )
        if self.rng.random() < 0.3:
            self._add(
                f"CREATE CONSTRAINT TRIGGER {name} AFTER {event} ON {table} DEFERRABLE INITIALLY DEFERRED "
                f"FOR EACH ROW EXECUTE FUNCTION {name}()"
            )
        else:
            self._add(f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")

    def _add_functions(self) -> None:
        self.has_function = True
        for table in ("item", "tag"):
            self._add(f"ALTER SEQUENCE {table}_id_seq RESTART 50")
        self._add(
            "CREATE FUNCTION items_of(number int) RETURNS bigint LANGUAGE sql STABLE "
            "AS $$ SELECT count(*) FROM item WHERE k = number $$",
            "DROP FUNCTION items_of CASCADE",
        )
        self._add(
            "CREATE FUNCTION bump(number int) RETURNS int LANGUAGE plpgsql "
            "AS $$ BEGIN UPDATE pair SET v = v + 1 WHERE a = number; RETURN number; END $$",
            "DROP FUNCTION bump CASCADE",
        )
        self._add(
            "CREATE FUNCTION count_up() RETURNS int LANGUAGE plpgsql "
            "AS $$ BEGIN INSERT INTO log (n) VALUES (2); RETURN 2; END $$",
            "DROP FUNCTION count_up CASCADE",
        )
        if self.rng.random() < 0.3:
            self._add("ALTER TABLE pair ALTER v SET DEFAULT count_up()")
        if self.rng.random() < 0.2:
            self._add("CREATE RULE log_rule AS ON INSERT TO log DO ALSO UPDATE tenant SET v = v + 1 WHERE k = 2")

    def _add_partitions(self) -> None:
        self.has_partitions = True

        def table(name: str) -> type:
            columns = (
                Column("id", Integer, primary_key=True, autoincrement=False),
                Column("region", Integer, primary_key=True, autoincrement=False),
                Column("tenant_id", KEYS[self.key_kind][0], index=True),
                Column("v", Integer),
            )
            return type(name.title(), (self.Base,), {"__table__": Table(name, MetaData(), *columns)})

        self.Event, self.Event0, self.Event1 = table("event"), table("event0"), table("event1")
        kind = {"int": "int", "uuid": "uuid", "text": "varchar(10)"}[self.key_kind]
        action = self.rng.choice((" ON DELETE CASCADE ON UPDATE CASCADE", " ON DELETE SET NULL", ""))
        self._add(
            f"CREATE TABLE event (id int, region int, tenant_id {kind} REFERENCES tenant (id){action}, v int, "
            "PRIMARY KEY (id, region)) PARTITION BY LIST (region)",
            "DROP TABLE event",
        )
        self._add("CREATE TABLE event0 PARTITION OF event FOR VALUES IN (0, 1)")
        self._add("CREATE TABLE event1 PARTITION OF event DEFAULT")
