"""The requests of the panel to the launcher: JSON objects whose fields are all checked before use.

No message carries a path of the host: the launcher builds all paths from ids.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AppId
from skypanel.domain.limits import GIB, MIB, Limits
from skypanel.domain.manifest import DynoKey
from skypanel.host.fields import MAX_TEXT_BYTES, Fields, check_text
from skypanel.host.ranges import UIDS_PER_PANEL

Message = Mapping[str, Any]

# The number of an app is an offset into the panel's range of user ids.
MAX_APP_NUMBER = UIDS_PER_PANEL - 1
MAX_GRACE_S = 3600.0

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PROCESS_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DYNO = re.compile(rf"{_PROCESS_TYPE.pattern}(?:\.[1-9][0-9]{{0,5}})?")


@dataclass(frozen=True)
class Tenant:
    """The app that a sandbox belongs to. Its number gives the user id."""

    app_id: AppId
    number: int


@dataclass(frozen=True)
class OpenWorkspace:
    """Make a workspace that lives as long as the connection: for a build, or with a digest for a one-off dyno."""

    tenant: Tenant
    limits: Limits
    digest: str | None = None


@dataclass(frozen=True)
class RunStep:
    """Run a command in this connection's workspace. The message carries stdin, stdout and stderr as descriptors."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    directory: str
    network: bool


@dataclass(frozen=True)
class CancelStep:
    """End the running step. If it has just ended by itself, that is no error."""


@dataclass(frozen=True)
class StageSlug:
    """Extract a slug (zstd tar) from the descriptor that the message carries."""

    tenant: Tenant
    digest: str


@dataclass(frozen=True)
class StartDyno:
    """Start a dyno and keep it running."""

    key: DynoKey
    tenant: Tenant
    digest: str
    command: str
    environment: Mapping[str, str] = field(repr=False)
    limits: Limits


@dataclass(frozen=True)
class RunOnce:
    """Run a one-off dyno.

    If it is attached, the message carries its descriptors. It then lives as long as the connection, and the answer is its exit.
    """

    dyno: StartDyno
    attached: bool
    terminal: bool


@dataclass(frozen=True)
class SignalDyno:
    """Send a signal to the processes of a one-off dyno."""

    app_id: AppId
    name: str
    number: int


@dataclass(frozen=True)
class Retire:
    """Stop all dynos of an app except `keep`, and delete unused slugs except `keep_digest`."""

    app_id: AppId
    keep: tuple[DynoKey, ...]
    keep_digest: str | None
    grace_s: float


@dataclass(frozen=True)
class StopDyno:
    """Restart the dynos of a name or a process type."""

    app_id: AppId
    name: str
    grace_s: float


@dataclass(frozen=True)
class ListDynos:
    """Report the dynos of an app, or of all apps for None."""

    app_id: AppId | None


@dataclass(frozen=True)
class MeasureDynos:
    """Report what the dynos of all apps have used."""


@dataclass(frozen=True)
class InspectPorts:
    """Report where starting dynos listen. That is expensive, so it is not meant for dynos that are up."""

    keys: tuple[DynoKey, ...]


@dataclass(frozen=True)
class AskLastLines:
    """Ask for the last lines of a dyno's output."""

    key: DynoKey


@dataclass(frozen=True)
class RemoveApp:
    """Kill all dynos of an app and delete its slugs, cache and logs."""

    app_id: AppId


@dataclass(frozen=True)
class HasSlug:
    """Ask whether a slug is staged."""

    tenant: Tenant
    digest: str


@dataclass(frozen=True)
class AskFeatures:
    """Ask which features this machine supports for sandboxes."""


Request = (
    AskFeatures
    | OpenWorkspace
    | RunStep
    | CancelStep
    | StageSlug
    | StartDyno
    | RunOnce
    | SignalDyno
    | Retire
    | StopDyno
    | ListDynos
    | MeasureDynos
    | InspectPorts
    | AskLastLines
    | RemoveApp
    | HasSlug
)


def _app(fields: Fields) -> AppId:
    return AppId(fields.uuid("app_id"))


def _app_or_all(fields: Fields) -> AppId | None:
    return None if (app_id := fields.optional_uuid("app_id")) is None else AppId(app_id)


def _limits(message: object) -> Limits:
    fields = Fields(message)
    timeout = fields.take("timeout_s")
    limits = Limits(
        cpu_cores=fields.number("cpu_cores", 0.05, 1024),
        memory_bytes=fields.integer("memory_bytes", 8 * MIB, 1024 * GIB),
        pids=fields.integer("pids", 4, 65536),
        disk_bytes=fields.integer("disk_bytes", 16 * MIB, 1024 * GIB),
        timeout_s=None if timeout is None else Fields({"timeout_s": timeout}).number("timeout_s", 0.1, 7 * 86400),
        cache_bytes=fields.integer("cache_bytes", 0, 1024 * GIB),
    )
    fields.done()
    return limits


def _tenant(message: object) -> Tenant:
    fields = Fields(message)
    tenant = Tenant(_app(fields), fields.integer("number", 0, MAX_APP_NUMBER))
    fields.done()
    return tenant


def parse_key(message: object) -> DynoKey:
    """Return a dyno's identity. Raises Invalid."""
    fields = Fields(message)
    key = DynoKey(
        _app(fields),
        fields.integer("version", 0, 2**31),
        fields.integer("generation", 0, 2**31),
        fields.text("process_type", _PROCESS_TYPE),
        fields.integer("index", 1, 100_000),
    )
    fields.done()
    return key


def _open_workspace(fields: Fields) -> OpenWorkspace:
    return OpenWorkspace(_tenant(fields.take("tenant")), _limits(fields.take("limits")), fields.optional_text("digest", _DIGEST))


def _run_step(fields: Fields) -> RunStep:
    argv = tuple(check_text("argv", argument, None, MAX_TEXT_BYTES) for argument in fields.items("argv"))
    if not argv or sum(len(argument.encode()) + 1 for argument in argv) > MAX_TEXT_BYTES:
        raise Invalid(f"argv has at least one argument and at most {MAX_TEXT_BYTES} bytes.")
    directory = fields.text("directory", re.compile(r"/.*", re.DOTALL), 4096)
    return RunStep(argv, fields.environment("environment"), directory, fields.flag("network"))


def _stage(fields: Fields) -> StageSlug:
    return StageSlug(_tenant(fields.take("tenant")), fields.text("digest", _DIGEST))


def _start(fields: Fields) -> StartDyno:
    request = StartDyno(
        key=parse_key(fields.take("key")),
        tenant=_tenant(fields.take("tenant")),
        digest=fields.text("digest", _DIGEST),
        command=fields.text("command"),
        environment=fields.environment("environment"),
        limits=_limits(fields.take("limits")),
    )
    if request.key.app_id != request.tenant.app_id:
        raise Invalid("The dyno and the tenant are of different apps.")
    return request


def _once(fields: Fields) -> RunOnce:
    return RunOnce(_start(fields), fields.flag("attached"), fields.flag("terminal"))


def _signal(fields: Fields) -> SignalDyno:
    return SignalDyno(_app(fields), fields.text("name", _DYNO), fields.integer("number", 1, 31))


def _retire(fields: Fields) -> Retire:
    return Retire(
        _app(fields),
        tuple(parse_key(key) for key in fields.items("keep")),
        fields.optional_text("keep_digest", _DIGEST),
        fields.number("grace_s", 0, MAX_GRACE_S),
    )


def _stop(fields: Fields) -> StopDyno:
    return StopDyno(_app(fields), fields.text("name", _DYNO), fields.number("grace_s", 0, MAX_GRACE_S))


_PARSERS: Mapping[str, Callable[[Fields], Request]] = {
    "workspace": _open_workspace,
    "step": _run_step,
    "cancel": lambda _: CancelStep(),
    "stage": _stage,
    "staged": lambda fields: HasSlug(_tenant(fields.take("tenant")), fields.text("digest", _DIGEST)),
    "start": _start,
    "once": _once,
    "signal": _signal,
    "retire": _retire,
    "stop": _stop,
    "features": lambda _: AskFeatures(),
    "list": lambda fields: ListDynos(_app_or_all(fields)),
    "measure": lambda _: MeasureDynos(),
    "look": lambda fields: InspectPorts(tuple(parse_key(key) for key in fields.items("keys"))),
    "last": lambda fields: AskLastLines(parse_key(fields.take("key"))),
    "remove": lambda fields: RemoveApp(_app(fields)),
}


def parse(message: object) -> Request:
    """Parse a request. Raises Invalid if the message is not exactly one valid request."""
    fields = Fields(message)
    name = fields.text("do")
    if name not in _PARSERS:
        raise Invalid(f"There is no request {name!a}.")
    request = _PARSERS[name](fields)
    fields.done()
    return request


def tenant_message(tenant: Tenant) -> Message:
    """Return a tenant in its JSON form."""
    return {"app_id": str(tenant.app_id), "number": tenant.number}


def limits_message(limits: Limits) -> Message:
    """Return limits in their JSON form."""
    return {
        "cpu_cores": limits.cpu_cores,
        "memory_bytes": limits.memory_bytes,
        "pids": limits.pids,
        "disk_bytes": limits.disk_bytes,
        "timeout_s": limits.timeout_s,
        "cache_bytes": limits.cache_bytes,
    }


def key_message(key: DynoKey) -> Message:
    """Return a dyno's identity in its JSON form."""
    return {
        "app_id": str(key.app_id),
        "version": key.version,
        "generation": key.generation,
        "process_type": key.process_type,
        "index": key.index,
    }
