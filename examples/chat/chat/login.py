"""A login that asks for a name only, and gives a token of our own. Anybody can be anybody: it is for development."""

from datetime import timedelta
from typing import Annotated
from uuid import uuid4

import jwt
from convexpy import ActionCtx, QueryCtx, action, query
from pydantic import BaseModel, StringConstraints

from .builders import user_of

SECRET = "for development: chat/login.py has it too"  # with issuer and audience it is in pyproject.toml as well
VALID = timedelta(days=7)

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]


class UserView(BaseModel):
    """A user as clients see them."""

    id: str
    name: str


@action
async def enter(ctx: ActionCtx, name: Name) -> str:
    """A token for a new user of this name. An action, so that the token is stored nowhere."""
    claims = {"iss": "chat", "aud": "chat", "sub": uuid4().hex, "name": name, "iat": ctx.now, "exp": ctx.now + VALID}
    return jwt.encode(claims, SECRET, "HS256")


@query
def me(ctx: QueryCtx) -> UserView | None:
    """The user as whom the client calls."""
    user = user_of(ctx.identity)
    return UserView(id=user.id, name=user.name) if user else None
