import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.errors import Invalid
from skypanel.domain.node import (
    WATCHED,
    Availability,
    JoinOffer,
    Node,
    NodeChange,
    NodeState,
    SecretKind,
    SshLogin,
    SwarmMember,
    Wanted,
    availability,
    check_name,
    is_silent,
    judged,
)
from skypanel.domain.report import LARGEST, DynoUse, Report, parse

NOW = datetime(2024, 1, 1, tzinfo=UTC)
NODE = Node(
    uuid4(), "one", "10.0.0.2", 22, "root", "ssh-ed25519 AAAA", SecretKind.KEY, b"secret", NodeState.ACTIVE, Wanted.ACTIVE, 1, NOW,
    member_id="m1", heartbeat_at=NOW,
)  # fmt: skip
MEMBER = SwarmMember("m1", "host", "10.0.0.2", is_ready=True, availability=Availability.ACTIVE, tasks=0)
DOWN = replace(MEMBER, is_ready=False)
BUSY = replace(MEMBER, tasks=1)

members = st.sampled_from([None, MEMBER, DOWN, BUSY])


def judge(member=MEMBER, *, age_s=0.0, has_all_slugs=True, **changes):
    return judged(replace(NODE, **changes), member, NOW + timedelta(seconds=age_s), has_all_slugs=has_all_slugs)


@given(state=st.sampled_from(sorted(set(NodeState) - WATCHED)), wanted=st.sampled_from(Wanted), member=members, all_=st.booleans())
def test_what_a_worker_or_nobody_works_on_is_left_alone(state, wanted, member, all_):
    assert judge(member, state=state, wanted=wanted, has_all_slugs=all_) is state


@given(state=st.sampled_from(sorted(WATCHED)), wanted=st.sampled_from(Wanted), member=members, age=st.floats(0, 90), all_=st.booleans())
def test_only_who_is_wanted_heard_and_up_gets_dynos(state, wanted, member, age, all_):
    judgement = judge(member, state=state, wanted=wanted, age_s=age, has_all_slugs=all_)
    fit = wanted is Wanted.ACTIVE and member in {MEMBER, BUSY} and age <= 30
    assert (judgement is NodeState.ACTIVE) == (fit and (all_ or state is NodeState.ACTIVE))
    assert (availability(judgement) is Availability.ACTIVE) == (judgement is NodeState.ACTIVE)


@given(state=st.sampled_from(sorted(WATCHED)), wanted=st.sampled_from(Wanted), member=members, age=st.floats(0, 90), all_=st.booleans())
def test_a_judgement_stands_until_something_changes(state, wanted, member, age, all_):
    once = judge(member, state=state, wanted=wanted, age_s=age, has_all_slugs=all_)
    assert judge(member, state=once, wanted=wanted, age_s=age, has_all_slugs=all_) is once


def test_a_node_is_left_alone_while_a_worker_is_at_it():
    assert {state for state in NodeState if not replace(NODE, state=state).changes} == {NodeState.PROVISIONING, NodeState.REMOVING}


def test_only_who_can_have_dynos_is_drained_and_only_who_was_drained_gets_them_back():
    offered = {state: set(replace(NODE, state=state).changes) for state in NodeState}
    back = {NodeState.DRAINING, NodeState.DRAINED}
    assert {state for state, changes in offered.items() if NodeChange.ACTIVATE in changes} == back
    assert {state for state, changes in offered.items() if NodeChange.DRAIN in changes} == {state for state in WATCHED if state not in back}


def test_a_node_is_removed_once_nothing_runs_on_it():
    assert judge(BUSY, wanted=Wanted.REMOVED) is NodeState.DRAINING
    assert judge(MEMBER, wanted=Wanted.REMOVED) is NodeState.REMOVING
    assert judge(replace(BUSY, is_ready=False), wanted=Wanted.REMOVED) is NodeState.REMOVING
    assert judge(None, wanted=Wanted.REMOVED) is NodeState.REMOVING


@pytest.mark.parametrize(
    ("heard", "joined", "silent"), [(None, None, True), (30, None, False), (30.1, None, True), (None, 5, False), (99, 5, False)]
)
def test_three_missed_heartbeats_are_silence(heard, joined, silent):
    def before(age):
        return None if age is None else NOW - timedelta(seconds=age)

    assert is_silent(replace(NODE, heartbeat_at=before(heard), joined_at=before(joined)), NOW) is silent


def test_no_secret_shows():
    shown = repr((NODE, SshLogin("a", 22, "root", "key", SecretKind.PASSWORD, "hush"), JoinOffer("10.0.0.1:2377", "hush")))
    assert "hush" not in shown
    assert "secret'" not in shown


@pytest.mark.parametrize(("address", "host"), [("10.0.0.1:2377", "10.0.0.1"), ("[fd00::1]:2377", "fd00::1")])
def test_an_invitation_names_its_host(address, host):
    assert JoinOffer(address, "").host == host


@pytest.mark.parametrize("name", ["worker1", "a", "eu-west.1", "A" * 40])
def test_names(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", ".", "a b", "a/b", "é", "a" * 41, "a\n", "--", "a;b"])
def test_names_that_are_none(name):
    with pytest.raises(Invalid):
        check_name(name)


REPORT = Report(2.0, 0.5, 4096, 1024, 8192, 2048, 3, (DynoUse(uuid4(), "web.1", 0.25, 512),), ("a" * 64,), {"b" * 64: "no space"})


def test_a_report_comes_back():
    assert parse(json.loads(json.dumps(REPORT.to_json()))) == REPORT


@pytest.mark.parametrize(
    "change",
    [
        {"cpu_cores": "2"}, {"cpu_cores": -1}, {"cpu_cores": float("nan")}, {"cpu_used": float("inf")}, {"cpu_used": True},
        {"memory_bytes": 1.5}, {"memory_bytes": LARGEST + 1}, {"disk_bytes": None}, {"containers": -1}, {"containers": 10**400},
        {"dynos": {}}, {"dynos": [1]}, {"dynos": [{}]}, {"dynos": [{"app_id": "x", "name": "web.1", "cpu_cores": 0, "memory_bytes": 0}]},
        {"dynos": [{"app_id": str(uuid4()), "name": "<b>", "cpu_cores": 0, "memory_bytes": 0}]},
        {"dynos": [{"app_id": 1, "name": "web.1", "cpu_cores": 0, "memory_bytes": 0}]},
        {"staged": ["x"]}, {"staged": "a" * 64}, {"staged": [["a"]]}, {"staged": ["a" * 64] * 5001},
        {"failures": ["x"]}, {"failures": {"x": "y"}}, {"failures": {"a" * 64: 1}},
    ],
)  # fmt: skip
def test_a_report_that_cannot_be_is_refused(change):
    with pytest.raises(Invalid):
        parse({**REPORT.to_json(), **change})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(sorted(REPORT.to_json())) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(said=json_values, field=st.sampled_from(sorted(REPORT.to_json())))
def test_whatever_is_said_is_a_report_or_refused(said, field):
    for body in (said, {**REPORT.to_json(), field: said}):
        try:
            parse(body)
        except Invalid:
            continue


def test_reasons_are_one_line_of_plain_characters():
    said = {**REPORT.to_json(), "failures": {"a" * 64: "\x1b[31mred\nline" + "x" * 1000}}
    reason = parse(said).failures["a" * 64]
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) < 320
