"""Everything that an app's page shows, with a fixed number of statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skypanel.domain.access import Action, allows
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.build import Build
from skypanel.domain.deploy import Deploy
from skypanel.domain.ids import AccountId
from skypanel.domain.log import excerpt
from skypanel.domain.manifest import ONE_OFF, RELEASE_PHASE, Dyno, DynoKey, DynoState
from skypanel.domain.release import Release
from skypanel.flow import deploys
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import accounts, builds, collaborators, config_vars, formation, releases, rollouts, slugs
from skypanel.tasks import together

RELEASES = 20
BUILDS = 5
LAST_LINES = 10
# For how many crashed dynos the last lines are shown.
CRASHED_SHOWN = 3


@dataclass(frozen=True)
class ProcessType:
    """A process type with its dynos. `command` is None if the release does not have the type.

    One-off dynos are listed in the same way, but cannot be scaled.
    """

    name: str
    command: str | None
    quantity: int
    dynos: Sequence[Dyno]
    is_scalable: bool

    @property
    def is_one_off(self) -> bool:
        """Whether these are one-off dynos rather than a process type called run."""
        return self.name == ONE_OFF and self.command is None


@dataclass(frozen=True)
class AppDetail:
    """An app, its current release, and one page of its releases.

    `older` is the version where the next page begins, going back. `emails` maps account ids to addresses. `is_cancelled` is whether
    somebody cancelled the first of these releases.
    """

    app: App
    url: str
    git_remote: str
    current: Release | None
    processes: Sequence[ProcessType]
    config_keys: Sequence[str]
    releases: Sequence[Release]
    older: int | None
    is_cancelled: bool
    builds: Sequence[Build]
    deploy: Deploy | None
    emails: Mapping[AccountId, str]
    may_roll_back: bool
    may_scale: bool
    last_lines: Mapping[DynoKey, Sequence[str]]

    def can_return_to(self, release: Release) -> bool:
        """Whether the viewing account may roll back to a release."""
        return self.may_roll_back and release.proven_slug_id is not None and release.id != self.app.current_release_id


async def running(panel: Panel, app: App) -> Sequence[Dyno]:
    """Return all dynos of an app, including one-off dynos, in order of their keys."""
    return sorted((*await panel.scheduler.dynos(app.id), *await panel.scheduler.one_offs(app.id)), key=lambda dyno: dyno.key)


async def last_lines(panel: Panel, dynos: Sequence[Dyno]) -> Mapping[DynoKey, Sequence[str]]:
    """Return the last lines of crashed dynos that wait for a restart. An engine that does not respond yields none."""
    crashed = [dyno.key for dyno in dynos if dyno.state is DynoState.CRASHED][:CRASHED_SHOWN]
    printed = await together(*(panel.scheduler.last_lines(key) for key in crashed))
    return {key: excerpt(lines, LAST_LINES) for key, lines in zip(crashed, printed, strict=True) if lines}


async def read(panel: Panel, app: App, account: Account, before: int | None = None) -> AppDetail:
    """Return the details of an app; the account must be allowed to see it. With `before`, releases start below that version."""
    dynos = await running(panel, app)
    printed = await last_lines(panel, dynos)
    async with panel.autocommit() as conn:
        role = await collaborators.role(conn, app, account.id)
        current = await releases.get(conn, app.current_release_id) if app.current_release_id else None
        found = await releases.recent(conn, app.id, RELEASES + 1, before=before)
        recent = await builds.recent(conn, app.id, BUILDS)
        people = {each.account_id for each in (*found, *([current] if current else ()))} | {build.account_id for build in recent}
        return AppDetail(
            app=app,
            url=panel.address.url(app.name),
            git_remote=panel.address.git_remote(app.name),
            current=current,
            processes=await _processes(conn, app, current, dynos),
            config_keys=sorted((await config_vars.head(conn, app.id)).secrets),
            releases=found[:RELEASES],
            older=found[RELEASES - 1].version if len(found) > RELEASES else None,
            is_cancelled=bool(found and found[0].error) and await _is_cancelled(conn, found[0]),
            builds=recent,
            deploy=await deploys.under_way(conn, app),
            emails=await accounts.emails(conn, {person for person in people if person}),
            may_roll_back=allows(role, Action.ROLL_BACK),
            may_scale=allows(role, Action.SCALE_APP),
            last_lines=printed,
        )


async def _is_cancelled(conn: Connection, release: Release) -> bool:
    rollout = await rollouts.of_release(conn, release.id)
    return rollout is not None and rollout.cancelled_at is not None


async def _processes(conn: Connection, app: App, current: Release | None, dynos: Sequence[Dyno]) -> list[ProcessType]:
    commands = (await slugs.get(conn, current.slug_id)).process_types if current and current.slug_id else {}
    quantities = await formation.get(conn, app.id)
    names = dict.fromkeys((*commands, *(dyno.key.process_type for dyno in dynos)))
    return [
        ProcessType(
            name,
            commands.get(name),
            quantities.get(name, 0),
            [dyno for dyno in dynos if dyno.key.process_type == name],
            is_scalable=name in quantities and name != RELEASE_PHASE,
        )
        for name in names
    ]
