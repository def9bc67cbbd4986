"""Where an issuer's public keys come from: an https URL, OpenID discovery, a file, or a ``data:`` URI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..settings import DISCOVERY, AuthProvider, check_url, is_loopback, read_data_uri

if TYPE_CHECKING:
    import httpx

LARGEST: Final = 512_000
"""In bytes."""
TIMEOUT_SECONDS: Final = 5.0
MOST_REDIRECTS: Final = 3
# What arrives compressed might be larger than it looks.
HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}

KeySource = Callable[[], Coroutine[Any, Any, bytes]]
"""Reads a key set, as JSON. It raises KeysUnavailable."""


class KeysUnavailable(Exception):
    """The keys of an issuer cannot be read now. The text says why."""


def source_of(provider: AuthProvider) -> KeySource:
    """What reads the keys of an issuer that has no secret."""
    if provider.jwks is None:
        return partial(discover, provider)
    if provider.keys_url is not None:
        return partial(fetch, provider.keys_url)
    if provider.jwks.startswith("data:"):
        return partial(decode, provider.jwks)
    return partial(read_file, Path(provider.jwks))


async def decode(uri: str) -> bytes:
    return read_data_uri(uri)


async def read_file(path: Path) -> bytes:
    try:
        content = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise KeysUnavailable(f"{path}: {error.strerror}") from error
    if len(content) > LARGEST:
        raise KeysUnavailable(f"{path}: it is larger than {LARGEST} bytes")
    return content


async def discover(provider: AuthProvider) -> bytes:
    """The keys at the place that the issuer's OpenID configuration names."""
    url = f"{provider.issuer.rstrip('/')}{DISCOVERY}"
    try:
        found = json.loads(await fetch(url))
        named, keys = found["issuer"], found["jwks_uri"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise KeysUnavailable(f"{url}: this is no OpenID configuration") from error
    if named != provider.issuer:
        raise KeysUnavailable(f"{url}: it is the configuration of {named!r:.100}, and not of {provider.issuer!r}")
    try:
        check_url(keys)
    except (ValueError, AttributeError, TypeError) as error:
        raise KeysUnavailable(f"{url}: its jwks_uri cannot be used: {error}") from error
    return await fetch(keys)


async def fetch(url: str) -> bytes:
    """What is at a URL: at most 512 kB, within five seconds, from this host and no other.

    Raises:
        KeysUnavailable: It could not be had.
    """
    import httpx

    # This machine is reached without a proxy, and by http too, so that a certificate would prove nothing.
    is_remote = not is_loopback(urlsplit(url).hostname or "")
    client = httpx.AsyncClient(headers=HEADERS, verify=is_remote, trust_env=is_remote)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS), client:
            request = client.build_request("GET", url)
            for _ in range(MOST_REDIRECTS + 1):
                response = await client.send(request, stream=True)
                try:
                    if response.next_request is None:
                        return await content_of(response)
                    refuse_other_host(request.url, response.next_request.url)
                    request = response.next_request
                finally:
                    await response.aclose()
    except TimeoutError as error:
        raise KeysUnavailable(f"{url}: no answer within {TIMEOUT_SECONDS:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise KeysUnavailable(f"{url}: {error or type(error).__name__}") from error
    raise KeysUnavailable(f"{url}: it redirects more than {MOST_REDIRECTS} times")


async def content_of(response: httpx.Response) -> bytes:
    if response.status_code != 200:
        raise KeysUnavailable(f"{response.url}: the answer is {response.status_code}")
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > LARGEST:
            raise KeysUnavailable(f"{response.url}: it is larger than {LARGEST} bytes")
    return bytes(content)


def refuse_other_host(url: httpx.URL, target: httpx.URL) -> None:
    if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
        raise KeysUnavailable(f"{url}: it redirects to another host, {target.host!r}")
