"""Commands about one app, or all of them."""

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import click

from skypanel.cli import asking, session
from skypanel.cli.tables import NOTES, show_table, time
from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.config_vars import warnings
from skypanel.domain.errors import Invalid
from skypanel.domain.http_rules import read_timeout
from skypanel.domain.manifest import WEB, Dyno
from skypanel.domain.names import printable
from skypanel.domain.overview import AppOverview
from skypanel.domain.release import Rollout
from skypanel.flow import apps as apps_flow
from skypanel.flow import branch as branch_flow
from skypanel.flow import config as config_flow
from skypanel.flow import detail as detail_flow
from skypanel.flow import health as health_flow
from skypanel.flow import http_rules as http_rules_flow
from skypanel.flow import maintenance as maintenance_flow
from skypanel.flow import organizations as organizations_flow
from skypanel.flow import release as release_flow
from skypanel.flow import scale as scale_flow
from skypanel.flow import transfer as transfer_flow
from skypanel.flow.follow import follow_rollout
from skypanel.ports.panel import Panel

MASK = "********"

Change = Callable[[Panel, App, Account], Awaitable[Rollout | None]]


async def _write(line: str) -> None:
    click.echo(line)


def _change(name: str, action: Action, change: Change) -> None:
    """Make a change, and follow its rollout until it is live."""

    async def act(panel: Panel, by: Account) -> None:
        app = await apps_flow.access(panel, by, name, action)
        await follow(panel, await change(panel, app, by))

    session.run(act)


async def follow(panel: Panel, rollout: Rollout | None) -> None:
    """Print a rollout's output until it is live; None is a change that needs no rollout."""
    if rollout is not None:
        await follow_rollout(panel, rollout, _write)


@click.command("apps")
def list_apps() -> None:
    """List the apps, with the release and dynos of each."""

    async def act(panel: Panel, by: Account) -> None:
        rows = [("NAME", "RELEASE", "DYNOS", "URL", "NOTE")]
        for entry in await apps_flow.overview(panel, by):
            version = f"v{entry.release.version}" if entry.release else "-"
            rows.append((entry.app.name, version, str(len(entry.dynos)), entry.url, _note(entry)))
        show_table(rows)

    session.run(act)


def _note(entry: AppOverview) -> str:
    if entry.app.suspension:
        return NOTES[entry.app.suspension]
    return "in maintenance" if entry.app.maintenance else "its deploy failed" if entry.has_failed else ""


@click.command()
@click.argument("app")
def ps(app: str) -> None:
    """Show an app's dynos."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.VIEW_APP)
        quantities = await scale_flow.quantities(panel, found)
        click.echo(f"Formation: {' '.join(f'{name}={quantity}' for name, quantity in quantities.items()) or 'none yet'}")
        dynos = sorted(await panel.scheduler.dynos(found.id), key=lambda dyno: dyno.key)
        dynos += await panel.scheduler.one_offs(found.id)
        show_table([("DYNO", "STATE", "RELEASE", "SINCE", "NOTE"), *(_dyno_row(dyno) for dyno in dynos)])
        for key, lines in (await detail_flow.last_lines(panel, dynos)).items():
            click.echo(f"\nThe last lines of {key.name}:")
            for line in lines:
                click.echo(line)

    session.run(act)


def _dyno_row(dyno: Dyno) -> tuple[str, ...]:
    note = dyno.reason or (printable(dyno.command) if dyno.command else "")
    return dyno.key.name, dyno.state.value, f"v{dyno.key.version}", time(dyno.since), note


@click.command()
@click.argument("app")
@click.argument("quantities", nargs=-1, required=True, metavar="TYPE=QUANTITY...")
@click.option("--confirm", metavar="APP", help="The app's name again, to confirm that its last web dyno stops.")
def scale(app: str, quantities: tuple[str, ...], confirm: str | None) -> None:
    """Set how many dynos of each process type run: skypanel scale hello web=2."""
    wanted = dict(_quantity(text) for text in quantities)
    if wanted.get(WEB) == 0:
        asking.confirm(app, confirm, f"{app} stops serving requests once it has no web dyno.")
    _change(app, Action.SCALE_APP, lambda panel, found, by: scale_flow.scale(panel, found, wanted, by))


def _quantity(text: str) -> tuple[str, int]:
    process_type, equals, number = text.partition("=")
    if not equals or not number.isdecimal():
        raise Invalid(f"{text} is not a process type and a quantity.", "Write it like this: web=2")
    return process_type, int(number)


@click.command()
@click.argument("app")
@click.argument("dyno", required=False)
def restart(app: str, dyno: str | None) -> None:
    """Replace every dyno of an app by a new one; or start only DYNO again, such as web.1, or all of a process type."""
    if dyno is None:
        _change(app, Action.SCALE_APP, scale_flow.restart)
    else:
        _stop(app, dyno)


@click.command()
@click.argument("app")
@click.argument("dyno")
def stop(app: str, dyno: str) -> None:
    """Stop one dyno, such as web.1, or all of a process type; those that the formation wants start again."""
    _stop(app, dyno)


def _stop(name: str, dyno: str) -> None:
    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, name, Action.SCALE_APP)
        click.echo(f"Stopping {', '.join(await scale_flow.stop(panel, found, dyno, by))}")

    session.run(act)


@click.command()
@click.argument("app")
@click.option(
    "--set",
    "-s",
    "assignments",
    multiple=True,
    metavar="KEY[=VALUE]",
    help="Set a config var; without =VALUE the value is read from standard input.",
)
@click.option("--unset", "-u", "removals", multiple=True, metavar="KEY", help="Remove a config var.")
def config(app: str, assignments: tuple[str, ...], removals: tuple[str, ...]) -> None:
    """List an app's config vars by key, or change some; values are never shown."""
    changes: dict[str, str | None] = dict(_assignment(text) for text in assignments)
    changes |= dict.fromkeys(removals)
    if changes:
        _change(app, Action.CONFIGURE_APP, lambda panel, found, by: _configure(panel, found, changes, by))
        return

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.VIEW_APP)
        for key in await config_flow.keys(panel, found):
            click.echo(f"{key}: {MASK}")

    session.run(act)


async def _configure(panel: Panel, app: App, changes: Mapping[str, str | None], by: Account) -> Rollout | None:
    rollout = await config_flow.change(panel, app, changes, by)
    for warning in warnings(changes):
        click.echo(f" !     {warning}", err=True)
    return rollout


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    return (key, value) if equals else (key, sys.stdin.read().removesuffix("\n"))


@click.command()
@click.argument("app")
@click.option("--path", "-p", help="The path to request, such as /health.")
@click.option("--interval", "-i", type=int, metavar="SECONDS", help="How often.")
def health(app: str, path: str | None, interval: int | None) -> None:
    """Show how an app's health is checked on a Swarm, or change it."""
    if path is not None or interval is not None:
        _change(app, Action.CONFIGURE_APP, lambda panel, found, by: health_flow.change(panel, found, by, path=path, interval_s=interval))
        return

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.VIEW_APP)
        check = found.health
        click.echo(f"{check.path} every {check.interval_s} s; if there is no such page, whether something listens on $PORT")
        for dyno, said in sorted((await health_flow.chosen(panel, found)).items()):
            click.echo(f"{dyno}: {said}")

    session.run(act)


_REDIRECTS = {"on": True, "off": False, "default": None}


@click.command("http")
@click.argument("app")
@click.option("--first-byte-timeout", "first_byte", metavar="SECONDS", help="How long a dyno has to begin its response.")
@click.option("--idle-timeout", "idle", metavar="SECONDS", help="How long both sides may be silent after that.")
@click.option("--https-redirect", "redirect", type=click.Choice(tuple(_REDIRECTS)), help="Whether HTTP is redirected to HTTPS.")
def http(app: str, first_byte: str | None, idle: str | None, redirect: str | None) -> None:
    """Show how requests to an app are served, or change it. `default` follows the panel's settings."""
    timeouts = {"first_byte_timeout_s": first_byte, "idle_timeout_s": idle}
    changes: dict[str, Any] = {
        **{key: None if text == "default" else read_timeout(text) for key, text in timeouts.items() if text is not None},
        **({} if redirect is None else {"https_redirect": _REDIRECTS[redirect]}),
    }

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.CONFIGURE_APP if changes else Action.VIEW_APP)
        if changes:
            found = await http_rules_flow.choose(panel, found, replace(found.http, **changes), by)
        rules = await http_rules_flow.in_force(panel, found.http)
        redirected = {True: "for all hosts", False: "off", None: "for hosts with a certificate"}[rules.https_redirect]
        click.echo(f"Time to the first byte: {rules.first_byte_timeout_s} s; silence after that: {rules.idle_timeout_s} s.")
        click.echo(f"Redirect to HTTPS: {redirected}.")

    session.run(act)


@click.command("releases")
@click.argument("app")
@click.option("--number", "-n", default=15, show_default=True, help="How many releases to show.")
def list_releases(app: str, number: int) -> None:
    """Show an app's releases; the one marked * serves."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.VIEW_APP)
        rows = [("", "RELEASE", "STATE", "CREATED", "DESCRIPTION")]
        for release in await release_flow.recent(panel, found, number):
            active = "*" if release.id == found.current_release_id else ""
            rows.append((active, f"v{release.version}", release.state.value, time(release.created_at), release.description))
        show_table(rows)

    session.run(act)


@click.command()
@click.argument("app")
@click.argument("version", required=False)
def rollback(app: str, version: str | None) -> None:
    """Run an earlier release again, with the config vars of today: skypanel rollback hello v3."""
    number = None
    if version is not None:
        if not version.removeprefix("v").isdecimal():
            raise Invalid(f"{version} is not a release.", "Write it like this: v3")
        number = int(version.removeprefix("v"))
    _change(app, Action.ROLL_BACK, lambda panel, found, by: release_flow.roll_back(panel, found, number, by))


@click.command()
@click.argument("app")
@click.argument("state", type=click.Choice(["on", "off"]))
def maintenance(app: str, state: str) -> None:
    """Switch maintenance mode, in which visitors get a page that says so; the dynos keep running."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.MAINTAIN_APP)
        await maintenance_flow.switch(panel, found, by, on=state == "on")
        click.echo(f"Maintenance mode of {found.name} is {state}.")

    session.run(act)


@click.command("branch")
@click.argument("app")
@click.argument("name", required=False)
@click.option("--default", "is_default", is_flag=True, help="Deploy pushes to main or master again.")
def deploy_branch(app: str, name: str | None, *, is_default: bool) -> None:
    """Show the branch whose pushes deploy an app, or choose it: skypanel branch hello release."""
    if name and is_default:
        raise Invalid("Give a branch or --default, not both.", "Write it like this: skypanel branch hello release")

    async def act(panel: Panel, by: Account) -> None:
        action = Action.CONFIGURE_APP if name or is_default else Action.VIEW_APP
        found = await apps_flow.access(panel, by, app, action)
        if action is Action.CONFIGURE_APP:
            found = await branch_flow.choose(panel, found, name or "", by)
        click.echo(f"Pushes to {' or '.join(found.deploy_branches)} deploy {found.name}.")

    session.run(act)


@click.command()
@click.argument("app")
@click.argument("name")
def rename(app: str, name: str) -> None:
    """Give an app another name and hostname: skypanel rename hello hallo."""

    async def act(panel: Panel, by: Account) -> None:
        renamed = await apps_flow.rename(panel, await apps_flow.access(panel, by, app, Action.RENAME_APP), name, by)
        click.echo(f"{app} is {renamed.name} now, at {panel.address.url(renamed.name)}")
        click.echo(f"Update your git remote: git remote set-url skypanel {panel.address.git_remote(renamed.name)}")

    session.run(act)


@click.command()
@click.argument("app")
@click.argument("organization")
def transfer(app: str, organization: str) -> None:
    """Give an app to another organization: skypanel transfer hello Acme."""

    async def act(panel: Panel, by: Account) -> None:
        found = await apps_flow.access(panel, by, app, Action.TRANSFER_APP)
        to = await organizations_flow.access(panel, by, organization, Action.TRANSFER_APP)
        await transfer_flow.transfer(panel, found, to, by)
        click.echo(f"{app} is {to.name}'s now.")

    session.run(act)


@click.command()
@click.argument("app")
@click.option("--confirm", metavar="APP", help="The app's name again, to confirm.")
def destroy(app: str, confirm: str | None) -> None:
    """Destroy an app with its repository, releases and logs."""
    asking.confirm(app, confirm, f"{app} is destroyed for good, with its repository, releases, config vars and logs.")

    async def act(panel: Panel, by: Account) -> None:
        await apps_flow.destroy(panel, await apps_flow.access(panel, by, app, Action.DESTROY_APP), by)
        click.echo(f"{app} is gone.")

    session.run(act)


COMMANDS = (
    *(list_apps, ps, scale, restart, stop, config, health, http, list_releases, rollback, maintenance),
    *(deploy_branch, rename, transfer, destroy),
)
