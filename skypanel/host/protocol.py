"""What the panel may ask of the launcher: messages as JSON objects, each field checked before use.

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

# A panel has so many user ids for its apps.
MAX_APP_NUMBER = UIDS_PER_PANEL - 1
MAX_GRACE_S = 3600.0

_DIGEST = re.compile(r"[0-9a-f]{64}")
_PROCESS_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DYNO = re.compile(rf"{_PROCESS_TYPE.pattern}(?:\.[1-9][0-9]{{0,5}})?")


@dataclass(frozen=True)
class Tenant:
    """Whose sandbox it is; the number gives the user id."""

    app_id: AppId
    number: int


@dataclass(frozen=True)
class OpenWorkspace:
    """Make a workspace that lives as long as the connection: a build's, or with a slug a one-off dyno's."""

    tenant: Tenant
    limits: Limits
    digest: str | None = None


@dataclass(frozen=True)
class RunStep:
    """Run a command in this connection's workspace; stdin, stdout and stderr come along as descriptors."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    directory: str
    network: bool


@dataclass(frozen=True)
class CancelStep:
    """End the step that runs; one that has just ended by itself is no error."""


@dataclass(frozen=True)
class StageSlug:
    """Extract a slug (zstd tar) from the descriptor that comes along."""

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
    """Run a dyno once. An attached one has the descriptors that come along, lives as long as the connection and answers with its end."""

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
    """Stop all dynos of an app but those to keep, and forget slugs that nothing needs any more; without a digest, all of them."""

    app_id: AppId
    keep: tuple[DynoKey, ...]
    keep_digest: str | None
    grace_s: float


@dataclass(frozen=True)
class StopDyno:
    """End the dynos of a name or a process type; they start again."""

    app_id: AppId
    name: str
    grace_s: float


@dataclass(frozen=True)
class ListDynos:
    """Report the dynos of an app, or of all."""

    app_id: AppId | None


@dataclass(frozen=True)
class LookAt:
    """Report where dynos listen that are waited for; it is work, and not for those that are up."""

    keys: tuple[DynoKey, ...]


@dataclass(frozen=True)
class AskLastLines:
    """Ask what a dyno said last."""

    key: DynoKey


@dataclass(frozen=True)
class RemoveApp:
    """Stop all dynos of an app at once and delete what the launcher holds of it."""

    app_id: AppId


@dataclass(frozen=True)
class HasSlug:
    """Ask whether a slug is staged."""

    tenant: Tenant
    digest: str


@dataclass(frozen=True)
class AskFeatures:
    """Ask what this machine offers for sandboxes, and what is missing."""


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
    | LookAt
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
    "look": lambda fields: LookAt(tuple(parse_key(key) for key in fields.items("keys"))),
    "last": lambda fields: AskLastLines(parse_key(fields.take("key"))),
    "remove": lambda fields: RemoveApp(_app(fields)),
}


def parse(message: object) -> Request:
    """Return the request that a JSON value asks for. Raises Invalid for anything that is not exactly one."""
    fields = Fields(message)
    name = fields.text("do")
    if name not in _PARSERS:
        raise Invalid(f"There is no request {name!a}.")
    request = _PARSERS[name](fields)
    fields.done()
    return request


def tenant_message(tenant: Tenant) -> Message:
    """Return a tenant as it stands in a request."""
    return {"app_id": str(tenant.app_id), "number": tenant.number}


def limits_message(limits: Limits) -> Message:
    """Return limits as they stand in a request."""
    return {
        "cpu_cores": limits.cpu_cores,
        "memory_bytes": limits.memory_bytes,
        "pids": limits.pids,
        "disk_bytes": limits.disk_bytes,
        "timeout_s": limits.timeout_s,
        "cache_bytes": limits.cache_bytes,
    }


def key_message(key: DynoKey) -> Message:
    """Return a dyno's identity as it stands in a message."""
    return {
        "app_id": str(key.app_id),
        "version": key.version,
        "generation": key.generation,
        "process_type": key.process_type,
        "index": key.index,
    }
