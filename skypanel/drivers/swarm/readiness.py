"""Decides when the dynos of a manifest are ready in a Swarm, and explains why they are not."""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from skypanel.domain.manifest import WEB, Dyno, DynoKey, DynoState, Manifest
from skypanel.drivers.swarm.tasks import BIND, Slot, Task, by_key
from skypanel.ports.scheduler import Unready

STEADY_S = 1.0
# How long a dyno may wait for a node with room. Dynos that stop meanwhile may free some.
PATIENCE_S = 15.0
_LISTENS = re.compile(r"\S+ skypanel\[[^\]]+\]: Listens (on .+)")
_BEFORE_START = frozenset({"new", "allocated", "pending", "assigned", "accepted", "preparing", "ready"})


@dataclass
class Readiness:
    """What is known of a manifest's dynos while a rollout waits for them."""

    manifest: Manifest
    now: Callable[[], float] = time.monotonic
    _crashed_before: dict[DynoKey, frozenset[str]] = field(default_factory=dict)
    _up_since: dict[str, float] = field(default_factory=dict)
    _stuck_since: dict[str, float] = field(default_factory=dict)
    _found: dict[DynoKey, Slot] = field(default_factory=dict)
    waiting: Task | None = None

    def look(self, found: Sequence[Slot]) -> bool:
        """Whether all dynos are ready, by the tasks just found. Raises Unready if one will not become ready."""
        wanted = self.manifest.dynos()
        live = by_key(found)
        self._found = {key: live[key] for key in wanted if key in live}
        ready = [self._is_ready(key) for key in wanted]
        self.waiting = next((self._task(key) for key, is_ready in zip(wanted, ready, strict=True) if not is_ready), None)
        return all(ready) and not self._surplus(live.values())

    def dynos(self) -> list[Dyno]:
        """Return the manifest's dynos as of the last `look`."""
        return [self._found[key].dyno for key in self.manifest.dynos()]

    def late(self, timeout_s: float) -> Unready:
        """Return the error for the first dyno that was not ready in time."""
        name = self.waiting.key.name if self.waiting else next((key.name for key in self.manifest.dynos() if key not in self._found), WEB)
        if self.waiting is None or self.waiting.state in _BEFORE_START:
            reported = f": {self.waiting.error}" if self.waiting and self.waiting.error else ""
            return Unready(name, f"did not start within {timeout_s:g} s{reported}.")
        if self.waiting.key.process_type != WEB:
            return Unready(name, f"did not stay up within {timeout_s:g} s.")
        return Unready(name, f"did not answer on $PORT within {timeout_s:g} s. {BIND}.")

    def _task(self, key: DynoKey) -> Task | None:
        return self._found[key].task if key in self._found else None

    def _surplus(self, live: Iterable[Slot]) -> bool:
        """Whether a service still has more dynos than wanted, as it has not begun to shrink."""
        wanted = set(self.manifest.dynos())
        own = (self.manifest.version, self.manifest.generation)
        return any((slot.dyno.key.version, slot.dyno.key.generation) == own and slot.dyno.key not in wanted for slot in live)

    def _is_ready(self, key: DynoKey) -> bool:
        slot = self._found.get(key)
        if slot is None:
            return False
        self._check_alive(slot)
        self._check_placed(slot)
        if slot.dyno.state is not DynoState.UP:
            return False
        since = self._up_since.setdefault(slot.task.id, self.now())
        return key.process_type == WEB or self.now() - since >= STEADY_S

    def _check_alive(self, slot: Slot) -> None:
        """Raise Unready if a dyno has crashed since the first look, or is down now."""
        key = slot.dyno.key
        crashed = frozenset(task.id for task in slot.crashed)
        before = self._crashed_before.setdefault(key, crashed)
        if slot.dyno.state is not DynoState.CRASHED and crashed <= before:
            return
        reason = slot.dyno.reason or "ended"
        if reason.startswith("exited"):
            reason += " before it listened on $PORT" if key.process_type == WEB else " right after its start"
        raise Unready(key.name, f"{reason}.")

    def _check_placed(self, slot: Slot) -> None:
        """Raise Unready if no node has accepted a dyno for PATIENCE_S."""
        task = slot.task
        if task.state != "pending" or not task.error:
            self._stuck_since.pop(task.id, None)
        elif self.now() - self._stuck_since.setdefault(task.id, self.now()) >= PATIENCE_S:
            raise Unready(slot.dyno.key.name, f"cannot be placed on any node: {task.error}. Add a node, or scale down.")


def where(lines: Sequence[str]) -> str | None:
    """Return where an unreachable dyno listens, from the last message of `elsewhere.py` in its log, or None."""
    reported = [match[1] for line in lines if (match := _LISTENS.fullmatch(line))]
    return f"listens {reported[-1]}" if reported else None
