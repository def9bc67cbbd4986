"""The caller over HTTP: a token's identity reaches functions and nothing that runs later; a key opens what is internal.

The names of tests begin with the rule of the security list that they show.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from app.models import Base
from support.apps import START
from support.http_client import HttpClient
from support.tokens import ISSUER, Signer, claims, provider, seconds

from convexpy import ActionCtx, Identity, MutationCtx, QueryCtx, Settings, action, internal_query, mutation, query
from convexpy.testing import ConvexTest

SIGNER = Signer()
ME = __name__
any_database = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
seen: list[tuple[str, Identity | None]] = []


@query
def whoami(ctx: QueryCtx, identity: str = "") -> str:
    return f"{ctx.identity.token_identifier} {ctx.identity.claims.get('role')}" if ctx.identity else f"nobody{identity}"


@mutation
def later(ctx: MutationCtx) -> None:
    seen.append(("mutation", ctx.identity))
    ctx.schedule.now(work)


@action
async def work(ctx: ActionCtx) -> None:
    seen.append(("job", ctx.identity))


@internal_query
def secret(ctx: QueryCtx) -> str:
    return f"secret of {ctx.identity.subject if ctx.identity else 'all'}"


@pytest.fixture
def convex(database: str, request: pytest.FixtureRequest) -> Iterator[ConvexTest]:
    settings = Settings(auth=(provider(SIGNER),), sqlite_synchronous="NORMAL")
    options: dict[str, Any] = {"metadata": Base.metadata, "database_url": database, "now": START}
    with ConvexTest(request.module, settings=settings, **options) as convex:
        yield convex


@pytest.fixture
def client(convex: ConvexTest) -> Iterator[HttpClient]:
    seen.clear()
    with HttpClient(convex.convex.asgi()) as client:
        yield client


def bearer(**changed: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {SIGNER.token(claims(**changed))}"}


def test_a_token_is_the_identity_of_a_call_and_of_no_job(convex: ConvexTest, client: HttpClient) -> None:
    envelope = client.call("query", f"{ME}:whoami", headers=bearer(role="owner"))
    assert envelope["value"] == f"{ISSUER}|ada owner"
    client.call("mutation", f"{ME}:later", headers=bearer())
    convex.run_due()
    assert [(what, identity.subject if identity else None) for what, identity in seen] == [
        ("mutation", "ada"),
        ("job", None),
    ]


@any_database
def test_a3_no_argument_and_no_other_header_is_an_identity(client: HttpClient) -> None:
    forged = {"subject": "ada", "issuer": ISSUER, "tokenIdentifier": f"{ISSUER}|ada"}
    assert client.call("query", f"{ME}:whoami", {"identity": " at all"})["value"] == "nobody at all"
    assert client.call("query", f"{ME}:whoami", {"ctx": forged})["status"] == "error"
    headers = {"X-Identity": json.dumps(forged), "Cookie": f"token={SIGNER.token()}", "X-User": "ada"}
    assert client.call("query", f"{ME}:whoami", headers=headers)["value"] == "nobody"
    in_body = {"path": f"{ME}:whoami", "args": {}, "identity": forged, "token": SIGNER.token()}
    assert client.post("/api/query", json=in_body).json()["value"] == "nobody"
    by_address = f"/api/query?path={ME}:whoami&args={{}}&token={SIGNER.token()}"
    assert client.get(by_address).json()["value"] == "nobody"


@any_database
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"iss": "https://evil.example"}, "NoAuthProvider"),
        ({"aud": "other"}, "NoAuthProvider"),
        ({"exp": seconds(-60)}, "Unauthenticated"),
        ({"sub": None}, "Unauthenticated"),
    ],
)
def test_a5_a_token_that_is_not_for_this_app_is_refused(client: HttpClient, changed: dict[str, Any], code: str) -> None:
    answer = client.post("/api/query", json={"path": f"{ME}:whoami", "args": {}}, headers=bearer(**changed))
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.json().keys() == {"code", "message"}


@any_database
def test_two_callers_of_one_request_are_refused(client: HttpClient) -> None:
    two = [
        ("Authorization", f"Bearer {SIGNER.token()}"),
        ("Authorization", f"Bearer {SIGNER.token(claims(sub='bob'))}"),
    ]
    answer = client.post("/api/query", json={"path": f"{ME}:whoami", "args": {}}, headers=two)
    assert (answer.status_code, answer.json()["code"]) == (401, "InvalidAuthHeader")


def new_key(convex: ConvexTest) -> tuple[str, str]:
    """An admin key and its id, made as the command line makes one."""
    key_id = secrets.token_hex(6)
    key = f"cvx_{key_id}_{secrets.token_hex(20)}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    convex.call("_system/keys:new", {"key_id": key_id, "digest": digest, "name": "test"})
    return key, key_id


def test_a8_a_key_opens_what_is_internal_until_it_is_revoked(convex: ConvexTest, client: HttpClient) -> None:
    key, key_id = new_key(convex)
    as_admin = {"Authorization": f"Convex {key}"}
    ada = b64encode(json.dumps({"subject": "ada"}).encode()).decode()
    for headers in ({}, bearer(), bearer(role="admin", is_admin=True)):
        answers = [client.call("query", name, headers=headers) for name in (f"{ME}:secret", f"{ME}:none")]
        answers.append(client.call("query", "_system/keys:list", headers=headers))
        names = [answer["errorMessage"].partition("Could not find public function")[1] for answer in answers]
        assert names == ["Could not find public function"] * 3
    assert client.call("query", f"{ME}:secret", headers=as_admin)["value"] == "secret of all"
    as_ada = {"Authorization": f"Convex {key}:{ada}"}
    assert client.call("query", f"{ME}:secret", headers=as_ada)["value"] == "secret of ada"
    listed = client.call("query", "_system/keys:list", headers=as_admin)["value"]
    assert [each["id"] for each in listed] == [key_id]
    revoke = {"key_id": key_id}
    assert client.call("mutation", "_system/keys:revoke", revoke, headers=as_admin)["status"] == "success"
    answer = client.post("/api/query", json={"path": f"{ME}:secret", "args": {}}, headers=as_admin)
    assert (answer.status_code, answer.json()["code"]) == (403, "BadAdminKey")
