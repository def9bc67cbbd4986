"""Who is typing: until they send, or pause."""

from convexpy.testing import ConvexTest

from chat import messages, typing
from chat.typing import TypistView


def test_a_typist_is_shown_until_they_pause(convex: ConvexTest) -> None:
    watch = convex.watch(typing.who, channel="general")
    ada = convex.as_user("ada")
    ada.run(typing.start, channel="general")
    convex.advance(seconds=3)
    ada.run(typing.start, channel="general")  # which puts the end off
    convex.advance(seconds=3)
    assert watch.value == [TypistView(user_id="ada", name="ada")]
    convex.advance(seconds=1)
    assert watch.value == []
    assert {job.state.kind for job in convex.jobs(name="typing:forget")} == {"canceled", "success"}


def test_who_sends_does_not_type_any_more(convex: ConvexTest) -> None:
    convex.as_user("ada").run(typing.start, channel="general")
    convex.as_user("bob").run(typing.start, channel="general")
    convex.as_user("ada").run(messages.send, channel="general", body="hello")
    assert convex.run(typing.who, channel="general") == [TypistView(user_id="bob", name="bob")]
    assert convex.run(typing.who, channel="random") == []
