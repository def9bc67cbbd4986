"""The fixture `convex` runs this app on a throw-away database, with a clock that the test moves."""

from my_app.tasks import TaskView, add, complete, list_all

from convexpy.testing import ConvexTest


def test_a_task_reminds_after_ten_seconds(convex: ConvexTest) -> None:
    convex.run(add, text="Buy tea")
    convex.advance(seconds=9)
    assert [job.state.kind for job in convex.jobs(name="tasks:remind")] == ["pending"]
    convex.advance(seconds=1)
    assert [job.state.kind for job in convex.jobs(name="tasks:remind")] == ["success"]


def test_a_task_that_is_done_never_reminds(convex: ConvexTest) -> None:
    task_id = convex.run(add, text="Buy tea")
    convex.run(complete, task_id=task_id)
    assert convex.run(list_all) == [TaskView(id=task_id, text="Buy tea", done=True)]
    convex.advance(minutes=1)
    assert [job.state.kind for job in convex.jobs(name="tasks:remind")] == ["canceled"]
