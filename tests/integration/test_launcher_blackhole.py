"""What becomes of requests to a dyno that is gone: none leaves the machine."""

import asyncio
import signal

from skypanel.domain.manifest import DynoState
from skypanel.host import blackhole
from tests.contracts.scheduler import READY_S, SERVE, launched
from tests.fakes.objects import FakeObjects
from tests.fixtures.launcher import own_launcher
from tests.support.leaks import holdings
from tests.support.outside import run, strangers_beyond
from tests.support.until import until

__all__ = ["own_launcher"]

ANSWER_S = 5.0


async def asked(endpoint):
    """Return what answers at an endpoint; nothing where nobody does. Raises TimeoutError where that is not told within moments."""
    host, _, port = endpoint.rpartition(":")
    async with asyncio.timeout(ANSWER_S):
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return b""
        try:
            writer.write(b"GET / HTTP/1.0\r\nCookie: secret\r\n\r\n")
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def test_a_request_to_a_dyno_that_is_gone_stays_on_the_machine(own_launcher):
    """Whatever ended it: itself, a stop of the launcher, its death."""
    objects = FakeObjects()
    scheduler = own_launcher.scheduler(objects)
    _, manifest = await launched(scheduler, objects, {"web": (SERVE, 1)})
    (served,) = await scheduler.wait_ready(manifest, READY_S)
    app, _ = await launched(scheduler, objects, {"web": ("exit 3", 1)})
    await until(lambda: own_launcher.log(app.id, "web.1").count("exited with status 3") >= 2)
    (crashed,) = await scheduler.dynos(app.id)
    assert crashed.state is not DynoState.UP
    assert b"hello" in await asked(served.endpoint)
    with strangers_beyond(own_launcher.subnet):
        assert await asked(crashed.endpoint) == b""
        assert own_launcher.stop(signal.SIGKILL) != 0
        await until(lambda: not holdings(own_launcher).processes)
        assert await asked(served.endpoint) == b""
        if own_launcher.root:
            own_launcher.start()
            own_launcher.stop()
            assert await asked(served.endpoint) == b""
            # without the route, which somebody's program for networks may take away, the rules do it
            run("ip", "route", "delete", "unreachable", own_launcher.subnet)
            assert await asked(served.endpoint) == b""
            run("nft", "delete", "table", "inet", f"skypanel_{blackhole.table(own_launcher.plan)}")
            assert await asked(served.endpoint) == b"stranger"
