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
    """What one dyno uses: CPU cores (1.5 is one and a half), bytes, and bytes a second of its network.

    `restarts` counts those since it was started first. Without a measure of its disk, `disk_bytes` is None.
    """

    app_id: AppId
    name: str
    cpu_cores: float
    memory_bytes: int
    received_bytes_s: float = 0.0
    sent_bytes_s: float = 0.0
    disk_bytes: int | None = None
    restarts: int = 0


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


def parse(value: object) -> Report:
    """Parse and validate a report from an untrusted sender. Raises Invalid."""
    try:
        return _parsed(_mapping(value))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise Invalid("This is not a valid node report.", "Update the agent: provision the node again.") from error


def _parsed(value: Mapping[str, Any]) -> Report:
    failures = _mapping(value.get("failures") or {})
    return Report(
        cpu_cores=_amount(value["cpu_cores"]),
        cpu_used=_amount(value["cpu_used"]),
        memory_bytes=_count(value["memory_bytes"]),
        memory_used_bytes=_count(value["memory_used_bytes"]),
        disk_bytes=_count(value["disk_bytes"]),
        disk_used_bytes=_count(value["disk_used_bytes"]),
        containers=_count(value["containers"]),
        dynos=tuple(_dyno(_mapping(dyno)) for dyno in _some(value.get("dynos", ()), MAX_DYNOS)),
        staged=tuple(sorted({_digest(digest) for digest in _some(value.get("staged", ()), MAX_DIGESTS)})),
        failures={_digest(digest): _reason(reason) for digest, reason in _some(tuple(failures.items()), MAX_DIGESTS)},
    )


def _dyno(value: Mapping[str, Any]) -> DynoUse:
    app_id, name = value["app_id"], value["name"]
    if not isinstance(app_id, str) or not _NAME.fullmatch(name):
        raise ValueError(name)
    disk = value.get("disk_bytes")
    return DynoUse(
        AppId(UUID(app_id)),
        name,
        cpu_cores=_amount(value["cpu_cores"]),
        memory_bytes=_count(value["memory_bytes"]),
        received_bytes_s=_amount(value.get("received_bytes_s", 0.0)),
        sent_bytes_s=_amount(value.get("sent_bytes_s", 0.0)),
        disk_bytes=None if disk is None else _count(disk),
        restarts=_count(value.get("restarts", 0)),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(value)
    return value


def _some(value: object, most: int) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or len(value) > most:
        raise TypeError(value)
    return value


def _digest(value: object) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError(value)
    return value


def _reason(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return ascii(value[:MAX_REASON])[1:-1]


def _amount(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= LARGEST:
        raise ValueError(value)
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise ValueError(value)
    return value
