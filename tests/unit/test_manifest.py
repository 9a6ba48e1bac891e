"""What there is to say of the process types of a release."""

from uuid import UUID

import pytest

from skypanel.domain.limits import BUILD_LIMITS
from skypanel.domain.manifest import Manifest, Process, process_notes, stoppable

APP = UUID(int=1)


def manifest(**quantities):
    processes = tuple(Process(name, "command", quantity) for name, quantity in quantities.items())
    return Manifest(APP, 1, "hello", APP, APP, 1, 1, "0" * 64, processes, BUILD_LIMITS, {})


NO_WEB = "The app has no web process type, so its URL does not respond. It has: worker."


@pytest.mark.parametrize(
    ("now", "before", "notes"),
    [
        ({"web": 1, "worker": 0}, None, []),
        ({"web": 1}, {"web": 1, "worker": 0}, []),
        ({"web": 1}, {"web": 1, "worker": 2}, ["worker is no longer in the Procfile: its 2 dynos have stopped."]),
        ({"web": 1}, {"web": 1, "clock": 1}, ["clock is no longer in the Procfile: its dyno has stopped."]),
        ({"worker": 1}, {"worker": 1}, [NO_WEB]),
        ({"worker": 0}, None, ["No dynos are running: worker is scaled to 0.", "Start it: skypanel scale hello worker=1", NO_WEB]),
        ({"web": 0, "worker": 0}, None, ["No dynos are running: web, worker are scaled to 0.", "Start it: skypanel scale hello web=1"]),
        ({"release": 0}, None, []),
        ({}, None, []),
    ],
)
def test_what_is_told(now, before, notes):
    assert process_notes(manifest(**now), manifest(**before) if before is not None else None) == notes


def test_what_is_to_stop_is_named_by_process_type_or_a_dynos_name_or_id():
    keys = manifest(web=2, worker=1).dynos()
    assert [stoppable(keys, asked) for asked in ("web", "web.2", str(keys[2].id))] == ["web", "web.2", "worker.1"]
    assert [stoppable(keys, asked) for asked in ("clock", "web.3", "", str(APP))] == [None] * 4
    assert len({key.id for key in keys}) == 3
