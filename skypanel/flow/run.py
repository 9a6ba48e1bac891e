"""One-off dynos: a command of an app's release beside its formation."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.config_vars import check_key, check_value
from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.manifest import Manifest, OneOff, Window
from skypanel.flow import audit
from skypanel.flow.manifest import manifest_of
from skypanel.ports import Attached, Panel
from skypanel.store import apps, releases

MAX_COMMAND_LENGTH = 16_384
_FIRST, _LAST = 1000, 9999


@dataclass(frozen=True)
class Running:
    """A one-off dyno by its name, such as run.1234, and the caller's end of it."""

    name: str
    attached: Attached


@asynccontextmanager
async def attached(
    panel: Panel, app: App, command: str, by: Account, *, window: Window | None = None, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    """Run a command of the app's release for the length of the block, at a terminal where there is a window.

    Raises Invalid for what cannot be run, Conflict without a release or with too many one-off dynos.
    """
    manifest, one_off = await _prepare(panel, app, command, environment, window)
    await _record(panel, app, one_off, manifest, by, attached=True)
    async with panel.scheduler.attach(manifest, one_off) as end:
        yield Running(one_off.key(manifest).name, end)


async def detached(panel: Panel, app: App, command: str, by: Account, *, environment: Mapping[str, str] | None = None) -> str:
    """Start a command of the app's release, its output in the app's log, and return the dyno's name. Raises as `attached`."""
    manifest, one_off = await _prepare(panel, app, command, environment, None)
    await _record(panel, app, one_off, manifest, by, attached=False)
    await panel.scheduler.detach(manifest, one_off)
    return one_off.key(manifest).name


async def _prepare(
    panel: Panel, app: App, command: str, environment: Mapping[str, str] | None, window: Window | None
) -> tuple[Manifest, OneOff]:
    _check(command, environment or {})
    async with panel.transaction() as conn:
        app = await apps.get(conn, app.id)
        if app.current_release_id is None:
            raise Conflict(f"{app.name} has no release yet.", "Push to it first.")
        manifest = await manifest_of(panel, conn, app, await releases.get(conn, app.current_release_id))
    taken = {dyno.key.index for dyno in await panel.scheduler.one_offs(app.id)}
    if len(taken) >= app.plan.max_replicas:
        raise Conflict(
            f"{app.name} runs {len(taken)} one-off dynos, as many as its plan allows.",
            f"Stop one of them: `skypanel ps {app.name}` shows what runs.",
        )
    free = [number for number in range(_FIRST, _LAST + 1) if number not in taken]
    return manifest, OneOff(secrets.choice(free), command, environment or {}, window)


def _check(command: str, environment: Mapping[str, str]) -> None:
    if not command.strip() or "\0" in command or len(command) > MAX_COMMAND_LENGTH:
        raise Invalid("This is not a command.", f"Give up to {MAX_COMMAND_LENGTH} characters, such as: skypanel run hello -- bash")
    for key, value in environment.items():
        check_key(key)
        check_value(key, value)


async def _record(panel: Panel, app: App, one_off: OneOff, manifest: Manifest, by: Account, *, attached: bool) -> None:
    """Write who ran something, and not what: a command may hold a secret."""
    async with panel.transaction() as conn:
        await audit.record(conn, "dyno.run", by, app, dyno=one_off.key(manifest).name, attached=attached)
