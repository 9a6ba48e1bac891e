"""Commands about the admin's keys, tokens and login."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import click

from skypanel.cli import asking, session
from skypanel.domain.account import Account
from skypanel.domain.errors import Invalid, NotFound
from skypanel.drivers.public_keys import read_public_key
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import passwords as passwords_flow
from skypanel.ports import Panel
from skypanel.store import keys as stored_keys
from skypanel.store import tokens as stored_tokens


@click.group()
def keys() -> None:
    """List, add and remove SSH keys that may push."""


@keys.command("list")
def list_keys() -> None:
    """List the keys."""

    async def act(panel: Panel, by: Account) -> None:
        async with panel.transaction() as conn:
            for key in await stored_keys.of(conn, by.id):
                click.echo(f"{key.fingerprint}  {key.name}")

    session.run(act)


@keys.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def add_key(file: Path) -> None:
    """Add a public key from a file such as ~/.ssh/id_ed25519.pub."""
    key = read_public_key(file)

    async def act(panel: Panel, by: Account) -> None:
        await accounts_flow.add_key(panel, by, key.text, key.fingerprint, key.name)
        click.echo(f"Added {key.fingerprint}")

    session.run(act)


@keys.command("remove")
@click.argument("fingerprint")
def remove_key(fingerprint: str) -> None:
    """Take a key away."""

    async def act(panel: Panel, by: Account) -> None:
        if not await accounts_flow.remove_key(panel, by, fingerprint):
            raise NotFound(f"There is no key {fingerprint}.", "`skypanel keys list` shows them.")
        click.echo(f"Removed {fingerprint}")

    session.run(act)


@click.group()
def tokens() -> None:
    """List, make and revoke API tokens."""


@tokens.command("list")
def list_tokens() -> None:
    """List the tokens; the tokens themselves are never shown again."""

    async def act(panel: Panel, by: Account) -> None:
        async with panel.transaction() as conn:
            for token in await stored_tokens.of(conn, by.id):
                click.echo(f"{token.id}  {token.scope}  {token.description}")

    session.run(act)


@tokens.command("add")
@click.argument("description")
@click.option("--days", type=click.IntRange(1), help="Expires after so many days.")
def add_token(description: str, days: int | None) -> None:
    """Make a token and print it, this once."""

    async def act(panel: Panel, by: Account) -> None:
        click.echo(await accounts_flow.add_token(panel, by, description, life=timedelta(days=days) if days else None))

    session.run(act)


@tokens.command("revoke")
@click.argument("token_id")
def revoke_token(token_id: str) -> None:
    """Revoke a token by its id."""
    try:
        wanted = UUID(token_id)
    except ValueError:
        raise Invalid(f"{token_id} is not a token's id.", "`skypanel tokens list` shows them.") from None

    async def act(panel: Panel, by: Account) -> None:
        if not await accounts_flow.revoke_token(panel, by, wanted):
            raise NotFound(f"There is no token {token_id}.", "`skypanel tokens list` shows them.")
        click.echo("Revoked.")

    session.run(act)


@click.command("login-link")
def login_link() -> None:
    """Print a link that signs the admin in to the dashboard, once."""

    async def act(panel: Panel, by: Account) -> None:
        click.echo(panel.address.dashboard_url() + (await accounts_flow.login_link(panel, by)).removeprefix("/"))

    session.run(act)


@click.command()
def passwd() -> None:
    """Set the admin's password for the dashboard, asked for or read from standard input; all sessions end."""
    new = asking.secret("New password", confirm=True)

    async def act(panel: Panel, by: Account) -> None:
        await passwords_flow.reset(panel, by, new)
        click.echo(f"{by.email} can sign in with it at {panel.address.dashboard_url()}")

    session.run(act)


COMMANDS = (keys, tokens, login_link, passwd)
