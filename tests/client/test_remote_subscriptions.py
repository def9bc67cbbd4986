"""``Remote.subscribe``: each change as it is committed, through restarts of the server, and errors in between."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from support.served import served
from support.waiting import PATIENCE_SECONDS, wait_until

from convexpy import ConvexError, SubscriptionClosed
from convexpy.client import Remote

from . import shop
from .conftest import SECRET, new_convex, token


def test_the_first_value_comes_at_once_and_then_each_change(remote: Remote) -> None:
    with remote.subscribe(shop.texts) as updates:
        assert updates.get(PATIENCE_SECONDS) == []
        remote.run(shop.add, text="tea")
        assert updates.get(PATIENCE_SECONDS) == ["tea"]
        remote.run(shop.act, text="nothing")
        with pytest.raises(TimeoutError):
            updates.get(0.05)
    with pytest.raises(SubscriptionClosed):
        updates.get()


def test_values_are_typed_and_queries_may_be_named(remote: Remote) -> None:
    with remote.subscribe(shop.echo, item=shop.ITEM) as typed, remote.subscribe("shop:count") as named:
        assert typed.get(PATIENCE_SECONDS) == [shop.ITEM]
        assert named.get(PATIENCE_SECONDS) == 0


def test_async_code_iterates_too(remote: Remote) -> None:
    async def read() -> list[list[str]]:
        seen = []
        async with remote.subscribe(shop.texts) as updates:
            async for texts in updates:
                seen.append(texts)
                if len(seen) == 3:
                    break
                await remote.run_async(shop.add, text=f"tea {len(seen)}")
        return seen

    assert asyncio.run(read()) == [[], ["tea 1"], ["tea 1", "tea 2"]]


def test_a_query_that_raises_delivers_its_error_and_goes_on(remote: Remote) -> None:
    with remote.subscribe(shop.count, at_most=0) as updates:
        assert updates.get(PATIENCE_SECONDS) == 0
        remote.run(shop.add, text="tea")
        with pytest.raises(ConvexError, match="too many") as caught:
            updates.get(PATIENCE_SECONDS)
        assert (caught.value.code, caught.value.data) == ("UNPROCESSABLE_CONTENT", {"found": 1})
        remote.run(shop.clear)
        assert updates.get(PATIENCE_SECONDS) == 0


def test_a_subscription_goes_on_after_a_restart_of_the_server(shop_url: str) -> None:
    with new_convex(shop_url) as convex:
        convex.run(shop.clear)
        with served(convex) as url:
            remote = Remote(url)
            updates = remote.subscribe(shop.texts)
            assert updates.get(PATIENCE_SECONDS) == []
        convex.run(shop.add, text="meanwhile")
    with remote, new_convex(shop_url) as convex, served(convex, port=int(url.rpartition(":")[2])):
        assert updates.get(PATIENCE_SECONDS) == ["meanwhile"]
        remote.run(shop.add, text="then")
        assert updates.get(PATIENCE_SECONDS) == ["meanwhile", "then"]


def test_a_token_that_has_expired_is_fetched_again(address: str) -> None:
    tokens = [token("ann", seconds=-100), token("ann")]
    with Remote(address, token=lambda: tokens.pop(0)) as remote, remote.subscribe(shop.whoami) as updates:
        assert updates.get(PATIENCE_SECONDS) == "ann"
    assert tokens == []


def test_a_token_that_is_refused_is_an_error_of_the_subscription(address: str) -> None:
    with Remote(address, token=token("ann", secret=SECRET[::-1])) as remote, remote.subscribe(shop.whoami) as updates:
        with pytest.raises(ConvexError) as caught:
            updates.get(PATIENCE_SECONDS)
        assert caught.value.code == "UNAUTHORIZED"


def connections_of(remote: Remote) -> Any:
    return vars(remote)["_socket"]._task


def test_the_connection_ends_with_the_last_subscription(remote: Remote) -> None:
    first, second = remote.subscribe(shop.texts), remote.subscribe(shop.count)
    assert (first.get(PATIENCE_SECONDS), second.get(PATIENCE_SECONDS)) == ([], 0)
    first.close()
    remote.run(shop.add, text="tea")
    assert second.get(PATIENCE_SECONDS) == 1
    del second
    gc.collect()
    wait_until(lambda: connections_of(remote) is None, "a subscription that is garbage ends")
    with remote.subscribe(shop.texts) as again:
        assert again.get(PATIENCE_SECONDS) == ["tea"]


def test_closing_the_client_ends_its_iterations(address: str) -> None:
    remote = Remote(address)
    updates = remote.subscribe(shop.texts)
    updates.get(PATIENCE_SECONDS)
    remote.close()
    assert list(updates) == []
