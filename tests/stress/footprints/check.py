"""Runs each query before and after each transaction, and compares: the oracle knows nothing of footprints."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import NotSupportedError

from convexpy import Convex
from convexpy.database.read_set import ReadSet
from convexpy.database.transaction import OpenTransaction
from convexpy.database.write_set import WriteSet
from convexpy.runtime.session import CallTransaction

from .queries import Queries
from .statement_queries import Query
from .world import World
from .writes import Writes

ROUNDS_IN_A_WORLD = 60
SAME_QUERIES = 20
QUERIES = 24
# A result, and what was read for it.
Run = tuple[Any, ReadSet]


@dataclass
class Report:
    """What was seen."""

    rounds: int = 0
    refused: int = 0
    """Transactions that the database rolled back."""
    pairs: int = 0
    changed: int = 0
    touched: int = 0
    pinned: int = 0
    """Runs that did not read a whole table, or everything."""
    errors: Counter[str] = field(default_factory=Counter)
    misses: list[str] = field(default_factory=list)
    missed_kinds: Counter[str] = field(default_factory=Counter)
    needless: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        needless = self.touched - self.changed + len(self.misses)
        quiet = max(self.pairs - self.changed, 1)
        return (
            f"{self.rounds} rounds, {self.refused} refused; {self.pairs} pairs, {self.changed} results changed, "
            f"{self.touched} touched, {needless} needlessly ({100 * needless / quiet:.0f} % of the unchanged); "
            f"{self.pinned} runs pinned; {len(self.misses)} MISSED"
        )


class Check:
    """Checks one database."""

    convex: Convex

    def __init__(self, open_app: Callable[[], Convex], seed: int) -> None:
        """``open_app`` opens an app on the database, anew for each schema."""
        self.open_app = open_app
        self.seed = seed
        self.report = Report()

    def run(self, rounds: int, progress: Callable[[Report], None], stop_at_miss: bool = False) -> Report:
        """So many rounds, in worlds of some rounds each."""
        number = 0
        while self.report.rounds < rounds:
            number += 1
            with self.open_app() as self.convex:
                left = rounds - self.report.rounds
                self._run_world(random.Random(f"{self.seed} {number}"), min(ROUNDS_IN_A_WORLD, left))
            progress(self.report)
            if stop_at_miss and self.report.misses:
                break
        return self.report

    def _run_world(self, rng: random.Random, rounds: int) -> None:
        world = World(rng, "postgresql" if self.convex.database.is_server else "sqlite")
        queries, writes = Queries(world, rng), Writes(world, rng)
        with self.convex.database.ddl() as connection:
            world.create(connection)
        try:
            self._fill(world, rng)
            for number in range(rounds):
                if number % SAME_QUERIES == 0:
                    self._fill(world, rng)
                    drawn = self._draw(queries)
                    runs = self._run_queries(drawn)
                runs = self._round(rng, drawn, runs, writes)
                self.report.rounds += 1
        finally:
            with self.convex.database.ddl() as connection:
                world.drop(connection)

    def _round(
        self, rng: random.Random, drawn: Sequence[tuple[str, Query]], before: Sequence[Run], writes: Writes
    ) -> Sequence[Run]:
        """One transaction, and what the queries say afterwards."""
        steps = [writes.draw() for _ in range(rng.choice((1, 1, 1, 1, 2, 3)))]
        written = self._write([step for _, step in steps])
        writes.hook = None
        if written is None:
            self.report.refused += 1
            return before
        after = self._run_queries(drawn)
        kinds = "+".join(name.removeprefix("write_") for name, _ in steps)
        for (name, query), (result, reads), (new_result, _) in zip(drawn, before, after, strict=True):
            report = self.report
            report.pairs += 1
            is_touched = reads.is_touched_by(written)
            report.touched += is_touched
            report.pinned += not reads.everything and None not in reads.tables.values()
            if result != new_result:
                report.changed += 1
                if not is_touched:
                    report.missed_kinds[f"{name} by {kinds}"] += 1
                    ((again, _),) = self._run_queries([(name, query)])
                    report.misses.append(f"{name} by {kinds}: {reads} {written} {result} -> {new_result}, then {again}")
            elif is_touched:
                report.needless[name] += 1
        return after

    def _draw(self, queries: Queries) -> list[tuple[str, Query]]:
        """Queries that the database can run: PostgreSQL has no FULL JOIN without an equality."""
        drawn: list[tuple[str, Query]] = []
        while len(drawn) < QUERIES:
            one = queries.draw()
            with suppress(NotSupportedError):
                self._run_queries([one])
                drawn.append(one)
        return drawn

    def _run_queries(self, drawn: Sequence[tuple[str, Query]]) -> list[Run]:
        """All in one snapshot, as a round of refreshes does."""
        found = []
        with self.convex.database.read() as transaction:
            if hasattr(transaction, "begin_round"):
                transaction.begin_round()
            for _, query in drawn:
                transaction.reads = reads = ReadSet()
                found.append((self._run_query(query, transaction), reads))
                transaction.settle_footprints()
                transaction.reads = None
        return found

    def _run_query(self, query: Query, transaction: OpenTransaction) -> Any:
        part = CallTransaction(self.convex.database, self.convex.app, transaction, self.convex.clock)
        try:
            result = query(part.db)
            return sorted(map(repr, result)) if isinstance(result, list) else repr(result)
        finally:
            part.close()

    def _write(self, steps: Sequence[Callable[[Any], None]]) -> WriteSet | None:
        try:
            with self.convex.database.write() as transaction:
                part = CallTransaction(self.convex.database, self.convex.app, transaction, self.convex.clock)
                try:
                    for step in steps:
                        step(part.db)
                    part.flush()
                finally:
                    part.close()
                transaction.commit()
        except Exception as error:  # the steps are random: what cannot be done is not committed
            self.report.errors[f"{type(error).__name__} {error}".partition("\n")[0][:150]] += 1
            return None
        return WriteSet.from_json(transaction.changes.writes.to_json())

    def _fill(self, world: World, rng: random.Random) -> None:
        with self.convex.database.write() as transaction:
            connection = transaction.connection

            def send(table: str, rows: Sequence[dict[str, Any]]) -> None:
                if rows:
                    connection.execute(world.Base.metadata.tables[table].insert(), rows)

            for table in ("item_tag", "special"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
            if world.has_partitions:
                connection.exec_driver_sql("DELETE FROM event")
            connection.exec_driver_sql("UPDATE item SET parent_id = NULL")
            for table in ("item", "tag", "tenant", "pair", "log"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
            send(
                "tenant",
                [
                    {"id": world.tenant_key(n), "name": "abcdefgh"[n], "k": rng.randrange(4), "v": rng.randrange(4)}
                    for n in range(6)
                ],
            )
            send(
                "item",
                [
                    {
                        "id": n,
                        "type": rng.choice(("item", "odd")) if n < 10 else "special",
                        "tenant_id": rng.choice((None, *map(world.tenant_key, range(6)))),
                        "parent_id": rng.choice((None, *range(1, n))),
                        "k": rng.choice((None, *range(4))),
                        "flag": rng.choice((None, True, False)),
                        "label": rng.choice((None, *"abc")),
                        "v": rng.randrange(4),
                    }
                    for n in range(1, 14)
                ],
            )
            send("special", [{"id": n, "k2": rng.randrange(4), "w": rng.randrange(4)} for n in range(10, 14)])
            send("tag", [{"id": n, "name": "abcdef"[n], "v": rng.randrange(4)} for n in range(1, 5)])
            links = {(rng.randrange(1, 14), rng.randrange(1, 5)) for _ in range(8)}
            send("item_tag", [{"item_id": item, "tag_id": tag} for item, tag in sorted(links)])
            send(
                "pair",
                [{"a": a, "b": b, "v": rng.randrange(4)} for a in range(4) for b in range(4) if rng.randrange(2)],
            )
            send("log", [{"n": rng.randrange(4)} for _ in range(3)])
            if world.has_partitions:
                for n in range(6):
                    connection.execute(
                        world.Event.__table__.insert(),
                        {
                            "id": n,
                            "region": rng.randrange(3),
                            "v": 0,
                            "tenant_id": rng.choice((None, world.tenant_key(rng.randrange(6)))),
                        },
                    )
            transaction.commit()
