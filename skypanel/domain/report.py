"""Heartbeats: what a node's agent reports."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AppId

MAX_DYNOS = 2000
MAX_DIGESTS = 5000
MAX_REASON = 300
LARGEST = 2**53

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}\.[0-9]{1,6}")


@dataclass(frozen=True)
class DynoUse:
    """What one dyno uses: CPU cores (1.5 is one and a half) and bytes of memory."""

    app_id: AppId
    name: str
    cpu_cores: float
    memory_bytes: int


@dataclass(frozen=True)
class Report:
    """A heartbeat: the machine's resources and their use, its dynos, and its staged slugs.

    `failures` maps the digest of a slug to the reason why it could not be staged.
    """

    cpu_cores: float
    cpu_used: float
    memory_bytes: int
    memory_used_bytes: int
    disk_bytes: int
    disk_used_bytes: int
    containers: int
    dynos: tuple[DynoUse, ...] = ()
    staged: tuple[str, ...] = ()
    failures: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that `parse` reads."""
        return {**asdict(self), "dynos": [{**asdict(dyno), "app_id": str(dyno.app_id)} for dyno in self.dynos]}


def parse(said: object) -> Report:
    """Parse and validate a report from an untrusted sender. Raises Invalid."""
    try:
        return _parsed(_mapping(said))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Invalid("This is no report of a node.", "Update the agent: provision the node again.") from error


def _parsed(said: Mapping[str, Any]) -> Report:
    failures = _mapping(said.get("failures") or {})
    return Report(
        cpu_cores=_amount(said["cpu_cores"]),
        cpu_used=_amount(said["cpu_used"]),
        memory_bytes=_count(said["memory_bytes"]),
        memory_used_bytes=_count(said["memory_used_bytes"]),
        disk_bytes=_count(said["disk_bytes"]),
        disk_used_bytes=_count(said["disk_used_bytes"]),
        containers=_count(said["containers"]),
        dynos=tuple(_dyno(_mapping(dyno)) for dyno in _some(said.get("dynos", ()), MAX_DYNOS)),
        staged=tuple(sorted({_digest(digest) for digest in _some(said.get("staged", ()), MAX_DIGESTS)})),
        failures={_digest(digest): _reason(reason) for digest, reason in _some(tuple(failures.items()), MAX_DIGESTS)},
    )


def _dyno(said: Mapping[str, Any]) -> DynoUse:
    app_id, name = said["app_id"], said["name"]
    if not isinstance(app_id, str) or not _NAME.fullmatch(name):
        raise ValueError(name)
    return DynoUse(AppId(UUID(app_id)), name, _amount(said["cpu_cores"]), _count(said["memory_bytes"]))


def _mapping(said: object) -> Mapping[str, Any]:
    if not isinstance(said, Mapping):
        raise TypeError(said)
    return said


def _some(said: object, most: int) -> Sequence[Any]:
    if not isinstance(said, list | tuple) or len(said) > most:
        raise TypeError(said)
    return said


def _digest(said: object) -> str:
    if not isinstance(said, str) or not _DIGEST.fullmatch(said):
        raise ValueError(said)
    return said


def _reason(said: object) -> str:
    if not isinstance(said, str):
        raise TypeError(said)
    return ascii(said[:MAX_REASON])[1:-1]


def _amount(said: object) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float) or not math.isfinite(said) or not 0 <= said <= LARGEST:
        raise ValueError(said)
    return float(said)


def _count(said: object) -> int:
    if isinstance(said, bool) or not isinstance(said, int) or not 0 <= said <= LARGEST:
        raise ValueError(said)
    return said
