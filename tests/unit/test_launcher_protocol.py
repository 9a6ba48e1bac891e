import asyncio
import os
import socket
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.errors import Invalid
from skypanel.domain.limits import BUILD_LIMITS, MIB, Limits
from skypanel.domain.manifest import DynoKey
from skypanel.host.channel import MAX_MESSAGE_BYTES, Channel
from skypanel.host.protocol import (
    InspectPorts,
    ListDynos,
    OpenWorkspace,
    Retire,
    RunOnce,
    RunStep,
    SignalDyno,
    StartDyno,
    StopDyno,
    Tenant,
    key_message,
    limits_message,
    parse,
    tenant_message,
)

APP = UUID("6f1d2c1e-1111-4222-8333-444455556666")
TENANT = Tenant(APP, 7)
KEY = DynoKey(APP, 3, 1, "web", 1)
DIGEST = "0123456789abcdef" * 4
STEP = {"do": "step", "argv": ["env"], "environment": {"A": "1"}, "directory": "/app", "network": False}
START = {
    "do": "start",
    "key": key_message(KEY),
    "tenant": tenant_message(TENANT),
    "digest": DIGEST,
    "command": "python app.py",
    "environment": {"A": "1"},
    "limits": limits_message(Limits(0.5, 256 * MIB, 64, 512 * MIB)),
}
RETIRE = {"do": "retire", "app_id": str(APP), "keep": [key_message(KEY)], "keep_digest": DIGEST, "grace_s": 30}


def test_requests_come_back_as_they_were_meant():
    workspace = {"do": "workspace", "tenant": tenant_message(TENANT), "limits": limits_message(BUILD_LIMITS), "digest": None}
    assert parse(workspace) == OpenWorkspace(TENANT, BUILD_LIMITS)
    assert parse(STEP) == RunStep(("env",), {"A": "1"}, "/app", network=False)
    assert parse(START) == StartDyno(KEY, TENANT, DIGEST, "python app.py", {"A": "1"}, Limits(0.5, 256 * MIB, 64, 512 * MIB))
    assert parse(RETIRE) == Retire(APP, (KEY,), DIGEST, 30.0)
    assert parse({**RETIRE, "keep": [], "keep_digest": None}) == Retire(APP, (), None, 30.0)
    assert parse({"do": "stop", "app_id": str(APP), "name": "web.1", "grace_s": 30}) == StopDyno(APP, "web.1", 30.0)
    once = parse({**START, "do": "once", "attached": True, "terminal": False})
    assert once == RunOnce(parse(START), attached=True, terminal=False)
    assert parse({"do": "signal", "app_id": str(APP), "name": "run.1234", "number": 2}) == SignalDyno(APP, "run.1234", 2)
    assert parse({"do": "list", "app_id": None}) == ListDynos(None)
    assert parse({"do": "look", "keys": [key_message(KEY)]}) == InspectPorts((KEY,))


def test_secrets_are_not_in_a_requests_repr():
    assert "canary" not in repr(parse({**START, "environment": {"A": "canary"}}))
    assert "canary" not in repr(parse({**STEP, "environment": {"A": "canary"}}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"argv": []},
        {"argv": "env"},
        {"argv": [1]},
        {"argv": ["a\0b"]},
        {"argv": ["x" * 200_000]},
        {"argv": ["\ud800"]},
        {"environment": []},
        {"environment": {"A=B": "1"}},
        {"environment": {"": "1"}},
        {"environment": {"A": 1}},
        {"environment": {"A": "\0"}},
        {"environment": {"A" + str(n): "x" * 10_000 for n in range(60)}},
        {"directory": "app"},
        {"directory": "/a\0"},
        {"network": 1},
        {"more": None},
        {"do": "steps"},
        {"do": None},
    ],
)
def test_a_step_that_is_wrong_in_one_field_is_refused(wrong):
    with pytest.raises(Invalid):
        parse({**STEP, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"digest": "0" * 63},
        {"digest": "0" * 64 + "\n"},
        {"digest": "../" + "0" * 61},
        {"digest": DIGEST.upper()},
        {"tenant": {"app_id": str(APP).upper(), "number": 7}},
        {"tenant": {"app_id": str(APP), "number": "7"}},
        {"tenant": {"app_id": str(APP), "number": True}},
        {"tenant": {"app_id": str(APP), "number": -1}},
        {"tenant": {"app_id": str(APP), "number": 65_536}},
        {"tenant": tenant_message(Tenant(uuid4(), 7))},
        {"key": {**key_message(KEY), "process_type": "../web"}},
        {"key": {**key_message(KEY), "process_type": ""}},
        {"key": {**key_message(KEY), "index": 0}},
        {"limits": {**limits_message(BUILD_LIMITS), "cpu_cores": float("nan")}},
        {"limits": {**limits_message(BUILD_LIMITS), "cpu_cores": 0}},
        {"limits": {**limits_message(BUILD_LIMITS), "memory_bytes": 1.5}},
        {"limits": {**limits_message(BUILD_LIMITS), "timeout_s": "1"}},
        {"limits": {}},
    ],
)
def test_a_dyno_that_is_wrong_in_one_field_is_refused(wrong):
    with pytest.raises(Invalid):
        parse({**START, **wrong})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(json_values, st.sampled_from([STEP, START, RETIRE]), st.data())
def test_nothing_but_invalid_is_raised(value, message, data):
    name = data.draw(st.sampled_from(sorted(message)))
    try:
        parse({**message, name: value})
    except Invalid:
        return
    assert name != "do"


@pytest.fixture
def channels():
    one, other = socket.socketpair()
    ends = Channel(one), Channel(other)
    yield ends
    for end in ends:
        end.close()


class TestChannel:
    async def test_descriptors_stay_with_their_message(self, channels):
        left, right = channels
        read, write = os.pipe()
        await left.send({"n": 1})
        await left.send({"n": 2}, [read, write])
        os.close(read)
        first, second = await right.receive(), await right.receive()
        assert (first.message, first.descriptors) == ({"n": 1}, [])
        assert (second.message, len(second.descriptors)) == ({"n": 2}, 2)
        os.write(second.descriptors[1], b"x")
        assert os.read(second.descriptors[0], 1) == b"x"
        assert not os.get_inheritable(second.descriptors[0])
        second.close()
        os.close(write)

    async def test_a_long_message_arrives_whole(self, channels):
        left, right = channels
        message = {"text": "x" * 1_000_000}
        sending = asyncio.create_task(left.send(message))
        assert (await right.receive()).message == message
        await sending

    async def test_the_end_is_seen(self, channels):
        left, right = channels
        left.close()
        await right.hung_up()
        assert await right.receive() is None

    @pytest.mark.parametrize(
        "noise", [b"\xff\n", b"{}\n", b"[9, {}]\n", b"[0]\n", b"[true, 1]\n", b"[-1, 1]\n", b"x" * (MAX_MESSAGE_BYTES + 100_000)]
    )
    async def test_noise_is_refused(self, noise):
        one, other = socket.socketpair()
        one.settimeout(0)
        right = Channel(other)
        writing = asyncio.create_task(asyncio.get_running_loop().sock_sendall(one, noise))
        with pytest.raises(Invalid):
            await right.receive()
        writing.cancel()
        await asyncio.wait({writing})
        one.close()
        right.close()

    async def test_the_kernel_says_who_it_is(self, channels):
        assert channels[0].peer_uid == os.geteuid()
