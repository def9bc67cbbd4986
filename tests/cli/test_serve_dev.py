"""``convexpy dev`` serves by itself, and goes on through every reload."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import pytest

from convexpy import Settings
from convexpy.cli.failure import Failure
from convexpy.cli.listener import bound, url_of

from .process import Process
from .serving import call, connected, served_shop, url_in
from .shop import Shop


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """One process for all tests: a shop, the process, and its address."""
    with served_shop(tmp_path_factory.mktemp("served")) as shop, Process(shop.root, "dev", "--port", "0") as process:
        dashboard, url = url_in(process, "^dashboard"), url_in(process, "^address")
        process.line("^ready in")
        yield SimpleNamespace(shop=shop, process=process, url=url, dashboard=dashboard)
        assert process.stop() == 0


def test_it_answers_at_the_address_that_it_prints(dev: SimpleNamespace) -> None:
    assert httpx.get(f"{dev.url}/ready").json() == {"ready": True, "reasons": []}
    assert call(dev.url, "mutation", "orders:place", order_id="o1") == "o1"
    assert call(dev.url, "query", "orders:statuses")["o1"] == "new"
    assert "server" not in httpx.get(f"{dev.url}/ready").headers  # whose version it is concerns no client


def test_the_dashboard_that_it_prints_needs_no_key(dev: SimpleNamespace) -> None:
    assert dev.dashboard == f"{dev.url}/dashboard/"
    assert "<base " in httpx.get(dev.dashboard).text
    assert httpx.get(f"{dev.dashboard}session").json()["name"] == "dev"


def test_a_name_of_a_foreign_page_is_no_address_of_it(dev: SimpleNamespace) -> None:
    assert httpx.get(f"{dev.url}/ready", headers={"host": "attacker.example"}).status_code == 403


def test_an_open_socket_gets_the_results_of_saved_code(dev: SimpleNamespace) -> None:
    with connected(dev.url) as connection:
        connection.subscribe("work:version")
        values = connection.values()
        assert next(values) == "old"
        dev.shop.change("shop/work.py", 'return "old"', 'return "new"')
        assert next(values) == "new"
        assert call(dev.url, "query", "work:version") == "new"


def test_changed_settings_let_sockets_come_again(dev: SimpleNamespace) -> None:
    with connected(dev.url) as connection:
        connection.subscribe("orders:statuses")
        next(connection.values())
        dev.shop.write(
            "pyproject.toml", '[tool.convexpy]\nfunctions = "shop"\nmax_socket_queries = 1\nhost = "localhost"\n'
        )
        assert connection.close_code() == 1012
    dev.process.line("`host` or `port` is another one now")
    with connected(dev.url) as connection:
        connection.subscribe("orders:statuses")
        next(connection.values())


# The address.


def test_a_port_that_is_taken_is_an_error_that_names_the_option(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = shop.cli("start", "--database", "sqlite:///shop.db", "--port", str(port))
    assert result.exit_code == 1
    assert f"port {port} at 127.0.0.1 is taken" in result.stderr
    assert "--port" in result.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "256.0.0.1"])
def test_a_host_that_is_none_is_an_error_that_names_the_option(host: str) -> None:
    with pytest.raises(Failure, match="cannot be listened at") as raised:
        bound(Settings(host=host, port=0))
    assert "--host" in str(raised.value.fix)


@pytest.mark.parametrize(
    ("host", "start"), [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:"), ("::1", "http://[::1]:")]
)
def test_the_address_is_one_that_a_browser_here_can_open(host: str, start: str) -> None:
    if host == "::1" and not socket.has_dualstack_ipv6():
        pytest.skip("there is no IPv6 here")
    with bound(Settings(host=host, port=0)) as listener:
        assert url_of(listener).startswith(start)
        assert not url_of(listener).endswith(":0")


def test_clients_are_refused_until_it_serves() -> None:
    with bound(Settings(port=0)) as listener, pytest.raises(ConnectionRefusedError):
        socket.create_connection(listener.getsockname())
