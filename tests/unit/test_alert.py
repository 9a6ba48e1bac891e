"""What is told of alerts, in which words."""

from datetime import timedelta

import pytest

from skypanel.domain.alert import (
    MOST_IN_A_MESSAGE,
    RULES,
    AlertEvent,
    AlertKind,
    Telling,
    message,
    pause,
    read_kind,
    read_silence,
    rules_of,
)
from skypanel.domain.errors import Invalid

DOWN = Telling(AlertEvent.OPENED, AlertKind.NODE_INACTIVE, "The node one is down.")
BACK = Telling(AlertEvent.RESOLVED, AlertKind.NODE_INACTIVE, "The node one is down.")


def test_one_thing_is_the_title():
    assert message([DOWN], "URL").title == "SkyPanel: A node is inactive"
    assert message([BACK], "URL").title == "SkyPanel: resolved: A node is inactive"
    assert message([BACK], "URL").text == "Resolved: The node one is down.\n\nURL"


def test_several_things_are_counted():
    both = message([DOWN, BACK], "URL")
    assert both.title == "SkyPanel: 1 alert, 1 resolved"
    assert both.text == "Alert: The node one is down.\nResolved: The node one is down.\n\nURL"


@pytest.mark.parametrize(("beyond", "last"), [(0, "Alert: The node one is down."), (1, "And 1 more.")])
def test_a_message_has_so_many_lines(beyond, last):
    lines = message([DOWN] * (MOST_IN_A_MESSAGE + beyond), "URL").text.splitlines()
    assert lines[-3] == last


def test_pauses_grow_up_to_an_hour():
    assert [pause(number) for number in (1, 2, 5, 50)] == [timedelta(minutes=minutes) for minutes in (1, 2, 60, 60)]


def test_rules_have_names_and_somebody_who_is_told():
    assert set(RULES) == set(AlertKind) == {*rules_of(admins=True), *rules_of(admins=False)}
    assert read_kind("disk_full") is AlertKind.DISK_FULL
    for read in (read_kind, read_silence):
        with pytest.raises(Invalid):
            read("<b>")
    assert read_silence("1d") == timedelta(days=1)
