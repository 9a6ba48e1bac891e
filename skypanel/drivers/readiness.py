"""When a dyno can take over, and what to tell its owner when it cannot."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from skypanel.domain.manifest import WEB, Dyno, DynoState
from skypanel.launcher.listening import Listening
from skypanel.ports import Unready

STEADY = timedelta(seconds=1)
FIRST_TRY_S = 2.0
_BIND = "Bind to 0.0.0.0 and the port in $PORT."


@dataclass(frozen=True)
class Observed:
    """A dyno and on which addresses it listens on $PORT."""

    dyno: Dyno
    listening: Listening


def check_alive(first: Dyno, now: Dyno) -> None:
    """Raise Unready if a dyno crashed since it was looked at first, or is told to stop."""
    if now.state is DynoState.STOPPING:
        raise Unready(now.key.name, "was told to stop before it was ready.")
    if now.state is DynoState.CRASHED or now.restarts > first.restarts:
        reason = now.reason or "ended"
        if reason.startswith("exited"):
            reason += " before it listened on $PORT" if now.key.process_type == WEB else " right after its start"
        raise Unready(now.key.name, f"{reason}.")


def steady(dyno: Dyno, now: datetime) -> bool:
    """Whether a dyno that serves no requests has been up for a moment."""
    return dyno.state is DynoState.UP and now - dyno.since >= STEADY


def late(observed: Observed | None, name: str, timeout_s: float) -> Unready:
    """Return what to say of a dyno that was not ready in time."""
    if observed is None:
        return Unready(name, f"did not start within {timeout_s:g} s.")
    if observed.dyno.key.process_type != WEB:
        return Unready(name, f"did not stay up within {timeout_s:g} s.")
    match observed.listening:
        case Listening.NOWHERE:
            return Unready(name, f"did not listen on $PORT within {timeout_s:g} s. {_BIND}")
        case Listening.LOOPBACK:
            return Unready(name, f"listens on 127.0.0.1 only, where nobody reaches it. {_BIND}")
        case Listening.EVERYWHERE:
            return Unready(name, f"listens on $PORT but did not answer an HTTP request within {timeout_s:g} s.")


@dataclass
class Readiness:
    """What is known of one dyno while it is waited for."""

    name: str
    first: Dyno | None = None
    last: Observed | None = None
    ready: bool = False
    _patience_s: float = FIRST_TRY_S

    async def look(self, observed: Observed | None) -> bool:
        """Whether the dyno is ready, by what was observed of it just now. Raises Unready if it will not be."""
        if observed is None:
            return False
        self.last = observed
        self.first = self.first or observed.dyno
        check_alive(self.first, observed.dyno)
        if observed.dyno.key.process_type != WEB:
            self.ready = steady(observed.dyno, datetime.now(UTC))
        elif not self.ready and observed.listening is Listening.EVERYWHERE and observed.dyno.endpoint is not None:
            self.ready = await self._ask(observed.dyno.endpoint)
        return self.ready

    async def _ask(self, endpoint: str) -> bool:
        """Ask for the front page, each time with more patience: an app may be slow to wake."""
        try:
            async with asyncio.timeout(self._patience_s):
                return await answers_http(endpoint)
        except TimeoutError:
            self._patience_s *= 2
            return False


async def answers_http(endpoint: str) -> bool:
    """Whether something at `host:port` answers an HTTP request, whatever it says."""
    host, _, port = endpoint.rpartition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    try:
        writer.write(f"GET / HTTP/1.1\r\nHost: {endpoint}\r\nUser-Agent: skypanel\r\nConnection: close\r\n\r\n".encode())
        return (await reader.read(5)).startswith(b"HTTP")
    except OSError:
        return False
    finally:
        writer.close()
