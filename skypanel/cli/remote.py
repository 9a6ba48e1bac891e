"""Commands about the remote git repository from which an app is deployed."""

import click

from skypanel.cli import session
from skypanel.domain.access import Action
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.errors import NotFound
from skypanel.flow import apps as apps_flow
from skypanel.flow import remote as remote_flow
from skypanel.flow.follow import follow_build
from skypanel.ports.panel import Panel

CREATE = click.option("--create", is_flag=True, help="Create the app if it does not exist.")


@click.group()
def remote() -> None:
    """Deploy an app from a git URL, in place of pushes or beside them."""


@remote.command()
@click.argument("app")
def show(app: str) -> None:
    """Show an app's git URL, branch and deploy key."""

    async def act(panel: Panel, by: Account) -> None:
        shown = await remote_flow.show(panel, await apps_flow.access(panel, by, app, Action.VIEW_APP))
        click.echo(f"URL         {shown.remote.url if shown.remote else 'none'}")
        if shown.remote:
            click.echo(f"Branch      {shown.remote.branch}")
        if shown.remote and shown.remote.host_key:
            click.echo(f"Host key    {panel.machines.fingerprint(shown.remote.host_key)}")
        click.echo(f"Deploy key  {shown.public_key or 'none yet'}")

    session.run(act)


@remote.command("set")
@click.argument("app")
@click.argument("url")
@click.option("--branch", "-b", default="", help="The branch to deploy; by default that of the repository.")
@CREATE
@click.option("--deploy", "is_deployed", is_flag=True, help="Deploy it right away.")
def set_url(app: str, url: str, branch: str, *, create: bool, is_deployed: bool) -> None:
    """Set an app's git URL, once it can be read: skypanel remote set hello https://example.com/ada/hello.git."""

    async def act(panel: Panel, by: Account) -> None:
        found = await _app(panel, by, app, create=create)
        chosen = await remote_flow.choose(panel, found, by, url, branch)
        click.echo(f"{app} is deployed from {chosen.branch} of {chosen.url}.")
        if chosen.host_key:
            click.echo(f"From now on its server's host key must be {panel.machines.fingerprint(chosen.host_key)}")
        if is_deployed:
            await _deploy(panel, by, app)

    session.run(act)


@remote.command()
@click.argument("app")
def deploy(app: str) -> None:
    """Fetch what an app is deployed from, build it, and follow that until it is live."""

    async def act(panel: Panel, by: Account) -> None:
        await _deploy(panel, by, app)

    session.run(act)


@remote.command()
@click.argument("app")
@CREATE
def key(app: str, *, create: bool) -> None:
    """Print the key by which an app reads a private repository; it is made at the first time."""

    async def act(panel: Panel, by: Account) -> None:
        found = await _app(panel, by, app, create=create)
        click.echo(await remote_flow.deploy_key(panel, found, by))

    session.run(act)


@remote.command()
@click.argument("app")
def clear(app: str) -> None:
    """Remove an app's git URL; the running release stays."""

    async def act(panel: Panel, by: Account) -> None:
        await remote_flow.clear(panel, await apps_flow.access(panel, by, app, Action.CONFIGURE_APP), by)
        click.echo(f"{app} no longer has a git URL.")

    session.run(act)


async def _app(panel: Panel, by: Account, name: str, *, create: bool) -> App:
    try:
        return await apps_flow.access(panel, by, name, Action.CONFIGURE_APP)
    except NotFound:
        if not create:
            raise
    made = await apps_flow.create(panel, by, name)
    click.echo(f"Created {made.name}, at {panel.address.url(made.name)}", err=True)
    return made


async def _deploy(panel: Panel, by: Account, name: str) -> None:
    found = await apps_flow.access(panel, by, name, Action.PUSH)
    build = await remote_flow.deploy(panel, found, by, _write)
    await follow_build(panel, build.id, _write)


async def _write(line: str) -> None:
    click.echo(line)


COMMANDS = (remote,)
