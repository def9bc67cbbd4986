"""The test of the tests: bugs that are planted into a copy of the package, each of which some test must catch.

``python -m tests.stress.planted`` plants all of them, one after the other; ``test_planted.py`` plants only two, and
checks that the list still fits the code.
"""
