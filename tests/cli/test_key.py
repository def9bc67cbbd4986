"""``convexpy key``: a key is printed once, listed by its id, and revoked."""

from __future__ import annotations

import json
import re
from pathlib import Path

from .shop import Shop

KEY = re.compile(r"cvx_([0-9a-f]{12})_[0-9a-f]{40}")


def made(shop: Shop, *args: str) -> tuple[str, str]:
    """A new key and its id."""
    found = KEY.fullmatch(shop.cli("key", "new", *args).stdout.strip())
    assert found
    return found[0], found[1]


def test_a_key_is_printed_alone_so_that_a_script_can_read_it(ready_shop: Shop) -> None:
    result = ready_shop.cli("key", "new", "--name", "ci")
    found = KEY.fullmatch(result.stdout.strip())
    assert found
    assert f"shown once. `convexpy key revoke {found[1]}` ends it" in result.stderr
    document = json.loads(ready_shop.cli("key", "new", "--name", "dashboard", "--json").stdout)
    assert document.keys() == {"id", "name", "createdTime", "readOnly", "key"}
    assert KEY.fullmatch(document["key"])


def test_keys_are_listed_by_id_and_name_and_never_shown_again(ready_shop: Shop) -> None:
    key, key_id = made(ready_shop, "--name", "ci")
    header, row = ready_shop.cli("key", "list").stdout.splitlines()
    assert header.split() == ["ID", "NAME", "CREATED", "READ-ONLY"]
    assert row.split()[:2] == [key_id, "ci"]
    as_json = ready_shop.cli("key", "list", "--json").stdout
    assert [each["id"] for each in json.loads(as_json)] == [key_id]
    assert key not in as_json
    files = [path for path in Path(ready_shop.root).rglob("*") if path.is_file()]
    assert not any(key.rpartition("_")[2].encode() in path.read_bytes() for path in files)


def test_a_key_may_be_for_looking_only(ready_shop: Shop) -> None:
    _, key_id = made(ready_shop, "watch", "--read-only")
    (found,) = json.loads(ready_shop.cli("key", "list", "--json").stdout)
    assert (found["id"], found["name"], found["readOnly"]) == (key_id, "watch", True)
    assert ready_shop.cli("key", "list").stdout.splitlines()[1].endswith("yes")


def test_a_revoked_key_is_gone(ready_shop: Shop) -> None:
    _, key_id = made(ready_shop, "--name", "ci")
    assert ready_shop.cli("key", "revoke", key_id).stdout == f"revoked {key_id} (ci)\n"
    assert ready_shop.cli("key", "list").stdout == "No keys.\n"
    again = ready_shop.cli("key", "revoke", key_id)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "there is no key" in again.stderr


def test_a_name_that_is_too_long_is_refused(ready_shop: Shop) -> None:
    assert ready_shop.cli("key", "new", "--name", "x" * 101).exit_code == 1
    assert json.loads(ready_shop.cli("key", "list", "--json").stdout) == []
