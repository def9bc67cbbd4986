"""Messages: pages from the newest on, and who may send them."""

import tomllib
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from convexpy import ConvexError, Identity, PaginationOpts
from convexpy.testing import ConvexTest, UserView

from chat import login, messages


@pytest.fixture
def ada(convex: ConvexTest) -> UserView:
    return convex.with_identity(Identity("ada", claims={"name": "Ada"}))


def bodies(convex: ConvexTest, channel: str, cursor: str | None = None) -> tuple[list[str], str | None]:
    """The bodies of a page of two, and where the next one begins."""
    options = {"numItems": 2, "cursor": cursor}
    page = convex.call("messages:page", {"channel": channel, "paginationOpts": options})
    return [message["body"] for message in page["page"]], None if page["isDone"] else page["continueCursor"]


def test_pages_go_from_the_newest_message_to_the_oldest(convex: ConvexTest, ada: UserView) -> None:
    for body in ("one", "two", "three"):
        ada.run(messages.send, channel="general", body=body)
    ada.run(messages.send, channel="random", body="elsewhere")
    newest, older = bodies(convex, "general")
    assert newest == ["three", "two"]
    assert bodies(convex, "general", older) == (["one"], None)
    assert bodies(convex, "reading") == ([], None)


def test_a_message_has_the_name_of_its_author_and_no_blanks_around_it(convex: ConvexTest, ada: UserView) -> None:
    ada.run(messages.send, channel="general", body="  hello\n")
    page = convex.run(messages.page, channel="general", pagination=PaginationOpts(num_items=1, cursor=None))
    sent = messages.MessageView(id=1, author_id="ada", author="Ada", body="hello", sent_at=convex.now)
    assert page.page == [sent]


def test_only_who_is_logged_in_sends(convex: ConvexTest) -> None:
    with pytest.raises(ConvexError, match="Log in first"):
        convex.run(messages.send, channel="general", body="hello")


def test_an_empty_message_is_none(ada: UserView) -> None:
    with pytest.raises(ConvexError, match="body"):
        ada.run(messages.send, channel="general", body="   ")


def test_a_token_of_the_login_is_one_that_the_settings_accept(convex: ConvexTest) -> None:
    settings = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())
    provider = settings["tool"]["convexpy"]["auth"][0]
    token = convex.run(login.enter, name="Ada")
    claims = jwt.decode(
        token,
        provider["secret"],
        algorithms=["HS256"],
        audience=provider["audience"],
        options={"verify_exp": False, "verify_iat": False},  # the clock of a test is its own
    )
    assert (claims["iss"], claims["name"]) == (provider["issuer"], "Ada")
    assert claims["exp"] - claims["iat"] == timedelta(days=7).total_seconds()
