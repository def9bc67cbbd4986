"""``[[tool.convexpy.auth]]``: issuers of tokens, and what is said of wrong ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.tokens import SECRET, Signer, key_set

from convexpy.errors import SettingsError
from convexpy.project import load_project
from convexpy.settings import AuthProvider

from .shop import Shop

GOOD = '[[tool.convexpy.auth]]\nissuer = "https://a.example"\naudience = "shop"\n'


def write(shop: Shop, *tables: str) -> None:
    (shop.root / "pyproject.toml").write_text("\n".join(['[tool.convexpy]\nfunctions = "shop"\n', *tables]), "utf-8")


def problem(shop: Shop) -> str:
    with pytest.raises(SettingsError) as error:
        load_project(shop.root)
    return str(error.value).replace(f"{shop.root}/", "")


def test_each_table_is_an_issuer(shop: Shop) -> None:
    other = f'[[tool.convexpy.auth]]\nissuer = "i"\naudience = "x"\nsecret = "{SECRET}"\nalgorithms = ["HS384"]\n'
    write(shop, GOOD, other)
    first, second = load_project(shop.root).settings.auth
    assert (first.issuer, first.accepted_algorithms) == ("https://a.example", ("RS256", "ES256"))
    assert first.keys_url == "https://a.example/.well-known/openid-configuration"
    assert second.secret is not None
    assert second.secret.get_secret_value() == SECRET
    assert (second.accepted_algorithms, second.keys_url) == (("HS384",), None)


def test_the_environment_has_issuers_as_json(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVEXPY_AUTH", json.dumps([{"issuer": "i", "audience": "x", "secret": SECRET}]))
    monkeypatch.setenv("CONVEXPY_CORS", '["https://shop.example"]')
    settings = load_project(shop.root).settings
    assert [provider.issuer for provider in settings.auth] == ["i"]
    assert settings.auth[0].accepted_algorithms == ("HS256",)
    assert settings.cors == ("https://shop.example",)


def test_a_file_of_keys_is_relative_to_the_project(shop: Shop) -> None:
    table = '[[tool.convexpy.auth]]\nissuer = "i"\naudience = "x"\njwks = '
    data = 'data:application/json,{"keys":[]}'
    write(shop, f'{table}"keys/jwks.json"\n', f'{table}"/etc/keys.json"\n', f"{table}'{data}'\n")
    found = [provider.jwks for provider in load_project(shop.root / "shop").settings.auth]
    assert found == [str(shop.root / "keys" / "jwks.json"), "/etc/keys.json", data]


def test_check_warns_of_keys_that_cannot_be_read(shop: Shop) -> None:
    table = '[[tool.convexpy.auth]]\nissuer = "i"\naudience = "x"\njwks = '
    (shop.root / "good.json").write_bytes(key_set(Signer().jwk))
    write(
        shop,
        GOOD,
        f'{table}"good.json"\n',
        f'{table}"gone.json"\n',
        f"{table}'data:application/json,{{\"keys\":[]}}'\n",
    )
    result = shop.cli("check")
    assert result.exit_code == 0
    gone, empty = [line for line in result.stdout.splitlines() if line.startswith("warning: ")]
    assert gone.startswith("warning: auth: the keys of 'i' cannot be read, so no token is accepted: ")
    assert gone.endswith("gone.json: No such file or directory")
    assert empty.endswith("what was read has no public key")


def test_a_wrong_value_is_named_with_its_file_and_line(shop: Shop) -> None:
    write(shop, GOOD, f'{GOOD}algorithms = ["none"]\njwk = "x"\n', '[[tool.convexpy.auth]]\nissuer = "i"\n')
    assert problem(shop).splitlines() == [
        "pyproject.toml:11: auth.algorithms: 'none' is no algorithm: such a token is signed by no one.",
        "pyproject.toml:12: there is no setting 'jwk' in auth. Did you mean 'jwks'?",
        "pyproject.toml:14: `audience` is not set in auth",
    ]


def test_a_wrong_value_of_the_environment_is_named_by_its_variable(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVEXPY_AUTH", "issuer=i")
    assert problem(shop) == "CONVEXPY_AUTH in the environment: auth: write a JSON array here."
    monkeypatch.setenv("CONVEXPY_AUTH", '[{"issuer": "i", "audience": "x"}]')
    assert problem(shop).startswith("CONVEXPY_AUTH in the environment: auth: without `jwks` the issuer tells its keys")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"issuer": ""}, "at least 1 character"),
        ({"audience": ""}, "at least 1 character"),
        ({"jwks": "k.json", "secret": SECRET}, "`jwks` and `secret` exclude each other"),
        ({"secret": "too short"}, "it needs 32 bytes"),
        ({"secret": SECRET[:48], "algorithms": ["HS512"]}, "it needs 64 bytes"),
        ({"secret": SECRET, "algorithms": ["RS256"]}, "RS256 is for public keys"),
        ({"secret": SECRET, "algorithms": ["HS256", "ES256"]}, "ES256 is for public keys"),
        ({"jwks": "k.json", "algorithms": ["RS256", "HS256"]}, "HS256 needs `secret`"),
        ({"algorithms": ["HS256"]}, "HS256 needs `secret`"),
        ({"jwks": "k.json", "algorithms": ["RS265"]}, "there is no algorithm 'RS265'"),
        ({"jwks": "k.json", "algorithms": ["nOnE"]}, "is no algorithm"),
        ({"jwks": ""}, "write an https URL, the name of a file, or a data: URI"),
        ({"jwks": "http://keys.example/k"}, "must begin with https://"),
        ({"jwks": "http://127.0.0.1.evil.example/k"}, "must begin with https://"),
        ({"jwks": "ftp://keys.example/k"}, "must begin with https://"),
        ({"jwks": "https:///k"}, "is not the URL of a server"),
        ({"jwks": "https://user:pass@keys.example/k"}, "is not the URL of a server"),
        ({"jwks": "data:application/json,{}"}, "holds no key set"),
        ({"jwks": "data:application/json;base64,e30"}, "holds no key set"),
        ({"issuer": "http://a.example"}, "so it must be a URL: the URL must begin with https://"),
    ],
)
def test_what_is_unsafe_or_means_nothing_is_refused(values: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        AuthProvider.model_validate({"issuer": "https://a.example", "audience": "shop", **values})
    assert SECRET not in problem_text(error.value)


def problem_text(error: ValueError) -> str:
    return "\n".join(part["msg"] for part in error.errors())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "jwks", ["https://a.example/k", "http://localhost:3000/k", "http://[::1]:3000/k", "http://127.0.0.1/k", "k.json"]
)
def test_keys_come_by_https_from_this_machine_or_from_a_file(jwks: str) -> None:
    assert AuthProvider(issuer="i", audience="x", jwks=jwks).jwks == jwks
