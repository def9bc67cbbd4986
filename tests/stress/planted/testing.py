"""Bugs in the testing kit: what a test does to a database that is not its own."""

from __future__ import annotations

from typing import Final

from .bug import Bug

TESTS: Final = "tests/testing/test_throw_away_databases.py"

TESTING: Final = (
    Bug(
        name="a test on the file of an app",
        breaks="a test run by mistake on the live database sends its mails, and purges its history",
        file="testing/database.py",
        old="            elif not is_test_database(connection):\n",
        new="            elif False:\n",
        tests=(f"{TESTS}::test_the_jobs_of_an_app_in_a_file_are_never_touched",),
    ),
    Bug(
        name="a test in the database that the server's URL names",
        breaks="tests on PostgreSQL see each other's rows, and run the jobs of whatever is in that database",
        file="testing/server.py",
        old="            if is_test_database(connection):\n",
        new="            if True:\n",
        tests=(f"{TESTS}::test_each_test_on_a_server_has_a_database_of_its_own_that_is_dropped",),
    ),
    Bug(
        name="the database of a test is left behind",
        breaks="a server fills with databases, a hundred with every run of a test suite",
        file="testing/kit.py",
        old="            server.drop(database)\n",
        new="            pass\n",
        tests=(f"{TESTS}::test_a_database_is_dropped_after_a_test_that_fails_or_does_not_load",),
    ),
)
