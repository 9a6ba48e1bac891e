"""Decides when a dyno is ready, and explains why it is not."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from skypanel.domain.dyno_errors import boot_timeout
from skypanel.domain.manifest import WEB, Dyno, DynoState
from skypanel.host.listening import PortSnapshot, Settling
from skypanel.ports.scheduler import Unready

STEADY = timedelta(seconds=1)
FIRST_TRY_S = 2.0
_BIND = "Bind to 0.0.0.0 and the port in $PORT."


def check_alive(first: Dyno, now: Dyno) -> None:
    """Raise Unready if a dyno has crashed since the first look, or is stopping."""
    if now.state is DynoState.STOPPING:
        raise Unready(now.key.name, "was told to stop before it was ready.")
    if now.state is DynoState.CRASHED or now.restarts > first.restarts:
        reason = now.reason or "ended"
        if reason.startswith("exited"):
            reason += " before it listened on $PORT" if now.key.process_type == WEB else " right after its start"
        raise Unready(now.key.name, f"{reason}.")


def steady(dyno: Dyno, now: datetime) -> bool:
    """Whether a dyno other than web has been up for at least STEADY."""
    return dyno.state is DynoState.UP and now - dyno.since >= STEADY


@dataclass
class Readiness:
    """What is known of one dyno while a rollout waits for it."""

    name: str
    first: Dyno | None = None
    last: Dyno | None = None
    ready: bool = False
    _look: PortSnapshot | None = None
    _settling: Settling = field(default_factory=Settling)
    _patience_s: float = FIRST_TRY_S

    def needs_look(self, dyno: Dyno | None) -> bool:
        """Whether the next check needs to know where the dyno listens."""
        return dyno is not None and dyno.key.process_type == WEB and dyno.state is DynoState.UP and not self.ready

    async def check(self, dyno: Dyno | None, look: PortSnapshot | None, now: float) -> bool:
        """Whether the dyno is ready, by its latest state. `now` is a monotonic time in seconds. Raises Unready if it will not be."""
        if dyno is None:
            return False
        self.last, self._look = dyno, look or self._look
        self.first = self.first or dyno
        check_alive(self.first, dyno)
        if dyno.key.process_type != WEB:
            self.ready = steady(dyno, datetime.now(UTC))
        elif look is not None and dyno.endpoint is not None and not self.ready:
            if self._settling.has_settled(look, now):
                raise Unready(self.name, _elsewhere(look))
            self.ready = look.is_reachable and await self._ask(dyno.endpoint)
        return self.ready

    def late(self, timeout_s: float) -> Unready:
        """Return the error for a dyno that was not ready in time."""
        is_web = self.last is not None and self.last.key.process_type == WEB
        return Unready(self.name, self._why_late(timeout_s), boot_timeout(timeout_s) if is_web else None)

    def _why_late(self, timeout_s: float) -> str:
        if self.last is None:
            return f"did not start within {timeout_s:g} s."
        if self.last.key.process_type != WEB:
            return f"did not stay up within {timeout_s:g} s."
        if self._look is None or not self._look.listeners:
            return f"did not listen on $PORT within {timeout_s:g} s. {_BIND}"
        if self._look.is_elsewhere:
            return _elsewhere(self._look)
        return f"listens on $PORT but did not answer an HTTP request within {timeout_s:g} s."

    async def _ask(self, endpoint: str) -> bool:
        """Request the front page. The timeout doubles after each failure, because an app may be slow at first."""
        try:
            async with asyncio.timeout(self._patience_s):
                return await answers_http(endpoint)
        except TimeoutError:
            self._patience_s *= 2
            return False


def _elsewhere(look: PortSnapshot) -> str:
    return f"{look.complaint()}. {_BIND}"


async def answers_http(endpoint: str) -> bool:
    """Whether something at `host:port` answers an HTTP request, with any status."""
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
