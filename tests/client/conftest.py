"""A shop that is served, and a client of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from app.models import Base
from pydantic import SecretStr
from support.databases import copy_of_template
from support.served import served

from convexpy import Convex, Settings
from convexpy.client import Remote
from convexpy.settings import AuthProvider

from . import shop

SECRET = "a secret of more than thirty-two bytes"
PROVIDER = AuthProvider(issuer="https://tests.example", audience="shop", secret=SecretStr(SECRET))


def token(subject: str, *, seconds: float = 3600, secret: str = SECRET) -> str:
    """A token that the shop accepts, for so long."""
    now = time.time()
    claims: dict[str, Any] = {"iss": PROVIDER.issuer, "aud": PROVIDER.audience, "sub": subject}
    return jwt.encode({**claims, "iat": int(now), "exp": int(now + seconds)}, secret, "HS256")


def new_convex(url: str) -> Convex:
    return Convex(url, functions=shop, metadata=Base.metadata, settings=Settings(auth=(PROVIDER,)))


@pytest.fixture(scope="module")
def shop_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The database of the tests of a module."""
    folder: Path = tmp_path_factory.mktemp("shop")
    return f"sqlite:///{copy_of_template(Base.metadata, folder)}"


@pytest.fixture(scope="module")
def address(shop_url: str) -> Iterator[str]:
    """The address of the served shop."""
    with new_convex(shop_url) as convex, served(convex) as url:
        yield url


@pytest.fixture
def remote(address: str) -> Iterator[Remote]:
    """An anonymous client of an empty shop."""
    shop.ran.clear()
    with Remote(address) as remote:
        remote.run(shop.clear)
        yield remote
