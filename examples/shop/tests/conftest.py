"""Ada is a customer in every test that asks for her. The fixture `convex` comes with convexpy."""

import pytest
from convexpy.testing import ConvexTest, UserView

from shop import users


@pytest.fixture
def ada(convex: ConvexTest) -> UserView:
    """Calls as Ada. Her sign-up mail is out already."""
    convex.run(users.sign_up, user_id="ada")
    convex.finish_all_scheduled()
    return convex.as_user("ada")
