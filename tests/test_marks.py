"""Each test is of one kind, so that each kind can be run alone."""

import pytest


def test_each_test_has_one_kind(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        kinds = {mark.name for mark in item.iter_markers()} & {"unit", "process", "browser"}
        assert len(kinds) == 1, f"{item.nodeid}: {kinds}"
