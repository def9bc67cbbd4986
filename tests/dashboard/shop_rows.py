"""The tea shop's own rows: customers, items, orders, sessions, reports."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, MetaData, insert

NAMES = (
    "Ada Lovelace", "Alan Turing", "Barbara Liskov", "Claude Shannon", "Donald Knuth", "Edsger Dijkstra",
    "Frances Allen", "Grace Hopper", "Hedy Lamarr", "Ivan Sutherland", "Jean Bartik", "Ken Thompson",
    "Leslie Lamport", "Margaret Hamilton", "Niklaus Wirth", "Olga Ladyzhenskaya", "Peter Naur", "Radia Perlman",
    "Sophie Wilson", "Tony Hoare", "Ursula Franklin", "Vint Cerf", "Whitfield Diffie", "Yukihiro Matsumoto",
)  # fmt: skip
ITEMS = (
    ("Assam", 420), ("Darjeeling", 640), ("Earl Grey", 380), ("Genmaicha", 510), ("Gunpowder", 360),
    ("Jasmine Pearls", 990), ("Lapsang Souchong", 575), ("Matcha", 1813), ("Oolong", 720), ("Pu-erh", 1250),
    ("Rooibos", 330), ("Sencha", 480), ("Silver Needle", 1590), ("Yunnan Gold", 880),
)  # fmt: skip
MATCHA = 8
"""The item whose price the bank does not answer for."""
SOLD_OUT = 13
"""The item of which too few are left."""


def user_ids() -> list[str]:
    """The customers: their first names."""
    return [name.partition(" ")[0].lower() for name in NAMES]


def email_of(user_id: str) -> str:
    return f"{user_id}@example.org"


def write_shop(connection: Connection, metadata: MetaData, now: datetime) -> None:
    """Store the rows that are there before any job."""
    tables = metadata.tables
    rng = random.Random(1)
    joined = [now - timedelta(days=400 - 9 * n, minutes=rng.randrange(1000)) for n in range(len(NAMES))]
    users = [
        {"id": each, "name": name, "email": email_of(each), "is_regular": n % 3 == 0, "joined_at": joined[n]}
        for n, (each, name) in enumerate(zip(user_ids(), NAMES, strict=True))
    ]
    connection.execute(insert(tables["users"]), users)
    connection.execute(insert(tables["items"]), [item_row(n, rng) for n in range(len(ITEMS))])
    sessions = [
        {"id": f"{rng.getrandbits(128):032x}", "user_id": rng.choice(user_ids()), "last_active_at": now - age}
        for age in (timedelta(minutes=rng.expovariate(1 / 4000)) for _ in range(120))
    ]
    connection.execute(insert(tables["sessions"]), sessions)
    reports = [
        {
            "id": n + 1,
            "kind": "daily",
            "data": {"orders": rng.randrange(60, 140), "cents": rng.randrange(40_000, 90_000)},
            "created_at": now.replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=30 - n),
        }
        for n in range(30)
    ]
    connection.execute(insert(tables["reports"]), reports)


def item_row(number: int, rng: random.Random) -> dict[str, Any]:
    name, cents = ITEMS[number]
    stock = 3 if number + 1 == SOLD_OUT else rng.randrange(400, 2_000)
    details = {"origin": rng.choice(("Assam", "Fujian", "Shizuoka", "Cederberg")), "grams": rng.choice((50, 100, 250))}
    return {"id": number + 1, "name": name, "cents": cents, "stock": stock, "details": details}


def order_rows(order_id: str, user_id: str, item: int, quantity: int, status: str, when: datetime) -> dict[str, Any]:
    """An order and its line, as the values of the two tables."""
    cents = ITEMS[item - 1][1] * quantity
    receipt = f"{random.Random(order_id).getrandbits(128):032x}" if status in ("paid", "shipped") else None
    order = {
        "id": order_id,
        "user_id": user_id,
        "status": status,
        "cents": cents,
        "receipt": receipt,
        "ordered_at": when,
    }
    return {"orders": order, "order_lines": {"order_id": order_id, "item_id": item, "quantity": quantity}}
