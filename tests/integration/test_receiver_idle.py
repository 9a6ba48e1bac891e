"""Builds that say nothing for long: the push waits, and so does whatever lies between it and us."""

import asyncio

import pytest

from skypanel.domain.errors import Invalid
from skypanel.domain.transcript import detail
from tests.support.receiver_harness import running_receiver, wait_for

IDLE_S = 0.5
SILENT_S = 2.0
KEEP_ALIVE_S = 5  # git's own: https://git-scm.com/docs/git-config#Documentation/git-config.txt-receivekeepAlive


@pytest.fixture
async def receiver():
    async with running_receiver(idle_s=IDLE_S) as made:
        yield made


@pytest.fixture
def silent_for(receiver):
    """Have builds begin with a line, say nothing for some time, and end."""

    def set_build(seconds, error=None):
        async def build(push, write):
            await write(detail("begin"))
            end = asyncio.Event()
            asyncio.get_running_loop().call_later(seconds, end.set)
            await end.wait()
            await write(detail("end"))
            if error:
                raise error

        receiver.backend.build = build

    return set_build


async def test_a_build_silent_for_longer_than_the_idle_limit_delivers_its_end(receiver, work, silent_for):
    silent_for(SILENT_S)
    pushed = await work.push()
    assert pushed.stderr.index("begin") < pushed.stderr.index("end")
    assert "nothing came" not in pushed.stderr
    app_id, _ = receiver.backend.apps["hello"]
    assert await receiver.repositories.refs(app_id) == {"refs/heads/main": await work.head()}


async def test_a_silent_build_that_fails_in_the_end_says_so(receiver, work, silent_for):
    silent_for(SILENT_S, Invalid("It does not build.", "Mend it."))
    pushed = await work.push(check=False)
    assert "remote:  !     It does not build." in pushed.stderr
    assert "pre-receive hook declined" in pushed.stderr


async def test_meanwhile_the_client_hears_that_the_push_goes_on(work, silent_for):
    silent_for(KEEP_ALIVE_S + 1)
    pushed = await work.push(environment={"GIT_TRACE_PACKET": "1"})
    packets = [line for line in pushed.stderr.splitlines() if "sideband< " in line]
    (begin,) = [number for number, line in enumerate(packets) if line.endswith(" begin")]
    (end,) = [number for number, line in enumerate(packets) if line.endswith(" end")]
    assert end - begin > 1, packets


async def test_who_hangs_up_in_the_silence_is_not_waited_for(receiver, ada, work, silent_for):
    silent_for(SILENT_S)
    client = await ada.start("git", "push", receiver.remote(), "main", cwd=work.folder)
    await asyncio.wait_for(client.stderr.readuntil(b"begin"), 60)
    client.kill()
    await client.communicate()
    await wait_for("the build to end", lambda: receiver.backend.ended)
    await wait_for("git to end", lambda: receiver.processes() == [])
    app_id, _ = receiver.backend.apps["hello"]
    assert await receiver.repositories.refs(app_id) == {"refs/heads/main": await work.head()}
