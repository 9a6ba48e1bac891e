"""One-off dynos: they run a single command with an app's release, outside the formation."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from skypanel.domain.account import Account
from skypanel.domain.app import App, check_runs
from skypanel.domain.audit import AuditAction
from skypanel.domain.config_vars import check_key, check_value
from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.ids import ReleaseId
from skypanel.domain.manifest import ONE_OFF_LIFE_S, DynoKey, Manifest, OneOff, Window
from skypanel.flow import audit
from skypanel.flow.manifest import manifest_of
from skypanel.ports.panel import Panel
from skypanel.ports.scheduler import Attached, Scheduler
from skypanel.store import apps, releases

MAX_COMMAND_LENGTH = 16_384
_FIRST, _LAST = 1000, 9999


@dataclass(frozen=True)
class AttachedDyno:
    """A running one-off dyno: its name, such as run.1234, and the caller's connection to it."""

    name: str
    attached: Attached


@dataclass(frozen=True)
class Reserved:
    """A one-off dyno that may start, with the key and release that it has if it starts before the next release."""

    key: DynoKey
    one_off: OneOff
    release_id: ReleaseId | None


async def reserve(
    panel: Panel,
    app: App,
    command: str,
    *,
    window: Window | None = None,
    environment: Mapping[str, str] | None = None,
    life_s: float = ONE_OFF_LIFE_S,
) -> Reserved:
    """Choose a free number for a one-off dyno, and start nothing. A process type as the first word stands for its command.

    Raises Invalid for an invalid command, Conflict without a release or with too many one-off dynos, and as `check_runs`.
    """
    _check(command, environment or {})
    manifest = await _manifest(panel, app)
    taken = await _taken(panel.scheduler, app)
    number = secrets.choice([number for number in range(_FIRST, _LAST + 1) if number not in taken])
    one_off = OneOff(number, _expanded(manifest, command), environment or {}, window, min(life_s, ONE_OFF_LIFE_S))
    return Reserved(one_off.key(manifest), one_off, manifest.release_id)


@asynccontextmanager
async def attach(panel: Panel, app: App, one_off: OneOff, by: Account) -> AsyncIterator[Attached]:
    """Run a reserved one-off dyno during the block, with the app's current release. Raises as `reserve`."""
    manifest = await _manifest(panel, app)
    await _taken(panel.scheduler, app)
    await _record(panel, app, one_off, by, attached=True)
    async with panel.scheduler.attach(manifest, one_off) as end:
        yield end


@asynccontextmanager
async def attached(
    panel: Panel, app: App, command: str, by: Account, *, window: Window | None = None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[AttachedDyno]:
    """Run a command with the app's release during the block; with a window it gets a terminal. Raises as `reserve`."""
    one_off = (await reserve(panel, app, command, window=window, environment=environment)).one_off
    async with attach(panel, app, one_off, by) as end:
        yield AttachedDyno(one_off.name, end)


async def detached(panel: Panel, app: App, command: str, by: Account, *, environment: Mapping[str, str] | None = None) -> str:
    """Start a command with the app's release, log its output, and return the dyno's name. Raises as `reserve`."""
    one_off = (await reserve(panel, app, command, environment=environment)).one_off
    await detach(panel, app, one_off, by)
    return one_off.name


async def detach(panel: Panel, app: App, one_off: OneOff, by: Account) -> None:
    """Start a reserved one-off dyno, and log its output. Raises as `reserve`."""
    manifest = await _manifest(panel, app)
    await _record(panel, app, one_off, by, attached=False)
    await panel.scheduler.detach(manifest, one_off)


async def _manifest(panel: Panel, app: App) -> Manifest:
    async with panel.autocommit() as conn:
        app = check_runs(await apps.get(conn, app.id))
        if app.current_release_id is None:
            raise Conflict(f"{app.name} has no release yet.", "Push to it first.")
        return await manifest_of(panel.cipher, conn, app, await releases.get(conn, app.current_release_id))


async def _taken(scheduler: Scheduler, app: App) -> set[int]:
    """Return the numbers of the one-off dynos that run. Raises Conflict if the plan allows no more."""
    taken = {dyno.key.index for dyno in await scheduler.one_offs(app.id)}
    if len(taken) >= app.plan.max_replicas:
        raise Conflict(
            f"{app.name} runs {len(taken)} one-off dynos, as many as its plan allows.",
            f"Stop one of them: `skypanel ps {app.name}` shows what runs.",
        )
    return taken


def _expanded(manifest: Manifest, command: str) -> str:
    word, space, rest = command.partition(" ")
    own = manifest.command(word)
    return command if own is None else f"{own}{space}{rest}"


def _check(command: str, environment: Mapping[str, str]) -> None:
    if not command.strip() or "\0" in command or len(command) > MAX_COMMAND_LENGTH:
        raise Invalid("This is not a command.", f"Give up to {MAX_COMMAND_LENGTH} characters, such as: skypanel run hello -- bash")
    for key, value in environment.items():
        check_key(key)
        check_value(key, value)


async def _record(panel: Panel, app: App, one_off: OneOff, by: Account, *, attached: bool) -> None:
    """Record who ran a one-off dyno, but not the command, which may hold a secret."""
    async with panel.transaction() as conn:
        await audit.record(conn, AuditAction.DYNO_RUN, by, app, dyno=one_off.name, attached=attached)
