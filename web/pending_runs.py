"""One-off dynos that wait for their client to connect to the rendezvous. They start only then."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from skypanel.domain.errors import Conflict
from skypanel.domain.ids import AppId, TokenId
from skypanel.domain.manifest import OneOff

WAIT_S = 60.0
MAX_WAITING = 200
MAX_WAITING_OF_ONE = 20


@dataclass(frozen=True)
class PendingRun:
    """A one-off dyno that will start, and the token that requested it. `origin` says where, for the audit log."""

    token_id: TokenId
    app_id: AppId
    one_off: OneOff
    origin: str | None


@dataclass(frozen=True)
class _Waiting:
    run: PendingRun
    until: float
    secret: str = field(repr=False)


class PendingRuns:
    """The pending runs, in the memory of the web process, which is also the rendezvous. `now` returns seconds."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._waiting: dict[str, _Waiting] = {}

    def arrange(self, run: PendingRun) -> str:
        """Return the secret that the client must send, once and within WAIT_S. Raises Conflict if too many runs wait already."""
        now = self._now()
        self._waiting = {place: each for place, each in self._waiting.items() if each.until > now}
        same = sum(each.run.token_id == run.token_id for each in self._waiting.values())
        if len(self._waiting) >= MAX_WAITING or same >= MAX_WAITING_OF_ONE:
            raise Conflict("Too many one-off dynos are waiting for a connection.", "Try again in a minute.")
        place, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        self._waiting[place] = _Waiting(run, now + WAIT_S, secret)
        return f"{place}.{secret}"

    def take(self, text: bytes) -> PendingRun | None:
        """Remove and return the run of a secret, or None if there is none or it has expired."""
        place, _, secret = text.decode("ascii", errors="replace").partition(".")
        waiting = self._waiting.get(place)
        if waiting is None or not hmac.compare_digest(waiting.secret.encode(), secret.encode()):
            return None
        del self._waiting[place]
        return waiting.run if waiting.until > self._now() else None
