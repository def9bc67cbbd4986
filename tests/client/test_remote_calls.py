"""``Remote.run``: typed results, errors as they were raised, and mutations that run once if an answer is lost."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import httpx
import pytest

from convexpy import ConvexError, InvalidArguments, InvalidResult, api
from convexpy.client import Remote, http_calls
from convexpy.client.values import name_on_server

from . import shop
from .conftest import SECRET, token


def test_values_arrive_as_the_annotations_say(remote: Remote) -> None:
    assert remote.run(shop.echo, item=shop.ITEM, other_items=[shop.ITEM]) == [shop.ITEM, shop.ITEM]
    assert asyncio.run(remote.run_async(shop.echo, shop.ITEM)) == [shop.ITEM]


def test_functions_are_called_by_name_and_by_reference_too(remote: Remote) -> None:
    assert remote.run("shop:add", text="tea") == 1
    assert remote.run(api.shop.texts) == ["tea"]
    assert remote.call("shop:act", {"text": "tea"}) == "TEA"
    assert asyncio.run(remote.call_async("shop:texts")) == ["tea"]
    (echoed,) = remote.call("shop:echo", {"item": shop.ITEM})
    assert (echoed["number"], echoed["data"], echoed["weight"]) == (2**60 + 1, b"\x00\xff", float("inf"))


def test_an_error_has_its_code_message_and_data(remote: Remote) -> None:
    with pytest.raises(ConvexError) as caught:
        remote.run(shop.fail)
    error = caught.value
    assert (error.code, error.message) == ("CONFLICT", "on purpose")
    assert error.data == {"why": ["a", "test"], "bytes": b"\x01"}


def test_an_error_of_the_server_is_redacted(remote: Remote) -> None:
    with pytest.raises(ConvexError, match=r"\[Request ID: \w+\] Server Error$") as caught:
        remote.run(shop.crash)
    assert caught.value.code == "INTERNAL_SERVER_ERROR"


def test_bad_arguments_are_refused_before_anything_is_sent() -> None:
    nowhere = Remote("http://127.0.0.1:1")
    with pytest.raises(InvalidArguments, match="text"):
        nowhere.run(shop.add, text=5)  # type: ignore[call-overload]
    with pytest.raises(InvalidArguments, match="text"):
        nowhere.subscribe(shop.texts, text=5)  # type: ignore[call-overload]


def test_an_internal_function_does_not_exist(remote: Remote) -> None:
    for call in (lambda: remote.run(shop.hidden), lambda: remote.run("shop:nothing")):
        with pytest.raises(ConvexError, match="Could not find public function for") as caught:
            call()
        assert caught.value.code == "NOT_FOUND"


def test_a_result_of_another_type_is_an_error(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.run(shop.add, text="tea")
    monkeypatch.setattr(shop.texts, "name", "shop:count")
    with pytest.raises(InvalidResult, match="another type: result: list_type"):
        remote.run(shop.texts)


def test_a_token_says_who_calls(address: str) -> None:
    tokens = iter([token("ann"), token("bob"), None])

    async def newest() -> str | None:
        return next(tokens)

    with Remote(address, token=token("ann")) as remote:
        assert remote.run(shop.whoami) == "ann"
    with Remote(address, token=newest) as remote:
        assert [remote.run(shop.whoami) for _ in range(3)] == ["ann", "bob", None]
    with Remote(address, token=lambda: token("ann", secret=SECRET[::-1])) as remote:
        with pytest.raises(ConvexError) as caught:
            remote.run(shop.whoami)
        assert caught.value.code == "UNAUTHORIZED"


def lose_answers(monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Let the connection break before so many answers arrive: the server has done what it was asked for."""
    sent: list[str] = []
    post = httpx.AsyncClient.post

    async def lossy(client: httpx.AsyncClient, url: str, **given: Any) -> httpx.Response:
        sent.append(url)
        answer = await post(client, url, **given)
        if len(sent) <= times:
            raise httpx.ReadError("the connection broke")
        return answer

    monkeypatch.setattr(httpx.AsyncClient, "post", lossy)
    return sent


def test_a_mutation_whose_answer_is_lost_has_run_once(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = lose_answers(monkeypatch, 2)
    assert remote.run(shop.add, text="tea") == 1
    assert (len(sent), shop.ran) == (3, ["tea"])


def test_an_action_whose_answer_is_lost_is_not_sent_again(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = lose_answers(monkeypatch, 1)
    with pytest.raises(ConnectionError, match="may have run"):
        remote.run(shop.act, text="tea")
    assert (len(sent), shop.ran) == (1, ["tea"])


def test_a_server_that_is_not_there_is_an_error_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_calls, "PATIENCE_SECONDS", 0.2)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with Remote(f"http://127.0.0.1:{unused.getsockname()[1]}") as remote, pytest.raises(ConnectionError):
            remote.run(shop.texts)


def test_a_page_that_is_no_server_of_convexpy_is_an_error(address: str) -> None:
    with Remote(f"{address}/elsewhere/") as remote, pytest.raises(ConvexError) as caught:
        remote.run(shop.texts)
    assert caught.value.code == "NOT_FOUND"
    with pytest.raises(ValueError, match="begins with http"):
        Remote("127.0.0.1:3210")


def test_many_threads_and_loops_share_a_client(remote: Remote) -> None:
    results: list[object] = []

    def call() -> None:
        results.append(asyncio.run(remote.run_async(shop.count)))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0] * 8


def test_a_closed_client_leaves_no_thread_and_connects_again_if_it_is_used(address: str) -> None:
    remote = Remote(address)
    for _ in range(2):
        assert remote.run(shop.count) == 0
        remote.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "convexpy-client"]


@pytest.mark.parametrize(
    ("module", "package", "name"),
    [
        ("orders_app.orders", None, "orders:add"),
        ("orders_app.plugins.email", None, "plugins/email:add"),
        ("orders_app", None, "orders_app:add"),
        ("backend.shop.orders", "backend.shop", "orders:add"),
        ("backend.shop", "backend.shop", "shop:add"),
    ],
)
def test_the_place_of_a_function_tells_its_name(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str | None, name: str
) -> None:
    """As it does for the server, where the app is loaded; here it is not."""
    monkeypatch.setattr(shop.add.handler, "__module__", module)
    monkeypatch.setattr(shop.add, "name", f"{module}:add")
    assert name_on_server(shop.add, package) == name
