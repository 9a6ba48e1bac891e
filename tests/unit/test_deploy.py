from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from skypanel.domain.build import Build, BuildState, Source
from skypanel.domain.deploy import Deploy, DeployState, state_of
from skypanel.domain.output import LineId, Place, build_stream, rollout_stream
from skypanel.domain.release import Release, ReleaseState, Rollout, RolloutReason, RolloutState

NO_APP = None


def deploy(build=None, rollout=None):
    one = uuid4()
    made = build and Build(one, one, None, Source("git", "0" * 64), build, 1, datetime.now(UTC))
    return Deploy(NO_APP, made, None, rollout and Rollout(one, one, one, RolloutReason.RELEASE, rollout, 1))


@pytest.mark.parametrize(
    ("build", "rollout", "state"),
    [
        (BuildState.PENDING, None, DeployState.QUEUED),
        (BuildState.BUILDING, None, DeployState.BUILDING),
        (BuildState.FAILED, None, DeployState.FAILED),
        (BuildState.SUCCEEDED, RolloutState.PENDING, DeployState.LAUNCHING),
        (BuildState.SUCCEEDED, RolloutState.RUNNING, DeployState.LAUNCHING),
        (BuildState.SUCCEEDED, RolloutState.SUCCEEDED, DeployState.LIVE),
        (BuildState.SUCCEEDED, RolloutState.FAILED, DeployState.FAILED),
        (None, RolloutState.SUPERSEDED, DeployState.SUPERSEDED),
        (None, RolloutState.RUNNING, DeployState.LAUNCHING),
    ],
)
def test_a_deploy_stands_where_its_build_or_else_its_rollout_does(build, rollout, state):
    assert deploy(build, rollout).state is state
    assert state.finished is (state in {DeployState.LIVE, DeployState.FAILED, DeployState.SUPERSEDED, DeployState.CANCELLED})


@pytest.mark.parametrize(
    ("build", "rollout", "state"),
    [
        (BuildState.FAILED, None, DeployState.CANCELLED),
        (BuildState.SUCCEEDED, RolloutState.FAILED, DeployState.CANCELLED),
        (BuildState.SUCCEEDED, RolloutState.RUNNING, DeployState.LAUNCHING),
        (BuildState.SUCCEEDED, RolloutState.SUCCEEDED, DeployState.LIVE),
        (BuildState.SUCCEEDED, RolloutState.SUPERSEDED, DeployState.SUPERSEDED),
    ],
)
def test_a_deploy_that_was_cancelled_too_late_is_live(build, rollout, state):
    assert state_of(build, rollout, is_cancelled=True) is state


def test_a_deploy_prints_to_its_builds_stream_and_then_to_its_rollouts():
    both = deploy(BuildState.SUCCEEDED, RolloutState.RUNNING)
    assert both.streams() == ((build_stream(both.build.id), True), (rollout_stream(both.rollout.id), False))
    assert [stream.kind for stream, _ in deploy(None, RolloutState.FAILED).streams()] == ["rollout"]


def test_a_deploy_is_asked_for_by_who_asked_for_its_build_or_else_its_release():
    ada, bob = uuid4(), uuid4()
    build = replace(deploy(BuildState.FAILED).build, account_id=ada)
    release = Release(uuid4(), uuid4(), 3, None, uuid4(), ReleaseState.SUCCEEDED, "Rollback to v1", bob, None, datetime.now(UTC))
    assert Deploy(NO_APP, build, release, None).account_id == ada
    assert Deploy(NO_APP, None, release, None).account_id == bob
    assert Deploy(NO_APP, None, None, None).account_id is None


def test_a_place_is_read_as_it_is_written():
    of = UUID("0f0e0d0c-0b0a-4009-8807-060504030201")
    for stream, rollout_id in ((build_stream(of), None), (rollout_stream(of), of)):
        place = Place(stream, LineId(2, 17))
        assert str(place) == f"{stream}:2-17"
        assert Place.parse(str(place)) == place
        assert place.rollout_id == rollout_id


ID = "0f0e0d0c-0b0a-4009-8807-060504030201"


@pytest.mark.parametrize(
    "text", ["", "1-1", "build/1:1-1", f"other/{ID}:1-1", f"build/{ID}:1-1\n", f"build/{'-' * 36}:1-1", f"build/{ID}:-1-1"]
)
def test_what_is_no_place_is_none(text):
    assert Place.parse(text) is None
