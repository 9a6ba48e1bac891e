"""Commands about accounts, and their keys, tokens and sign-in links: the admin's own or any account's."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import click

from skypanel.cli import asking, session
from skypanel.cli.tables import show_table, time
from skypanel.domain.access import Scope
from skypanel.domain.account import Account, AccountEntry
from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.ids import TokenId, as_id
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import passwords as passwords_flow
from skypanel.flow import people as people_flow
from skypanel.flow.invitation import Invitation
from skypanel.ports.panel import Panel

FOR = click.option("--for", "whose", metavar="EMAIL", help="The account's e-mail address; the first admin's by default.")
MOST_OF_KEY_BYTES = 16 * 1024

# Takes the panel, the account to act on, and the admin.
About = Callable[[Panel, Account, Account], Awaitable[None]]


def _about(whose: str | None, act: About) -> None:
    async def found(panel: Panel, by: Account) -> None:
        await act(panel, by if whose is None else await people_flow.find(panel, by, whose), by)

    session.run(found)


@click.group()
def accounts() -> None:
    """List all accounts, and let people in, for the first time or again."""


@accounts.command("list")
def list_accounts() -> None:
    """List all accounts: who can sign in by a password, push by SSH keys, and call by API tokens."""

    async def act(panel: Panel, by: Account) -> None:
        rows = (_row(each) for each in await people_flow.overview(panel, by))
        show_table([("EMAIL", "PASSWORD", "KEYS", "TOKENS", "SINCE", "NOTE"), *rows])

    session.run(act)


def _row(of: AccountEntry) -> tuple[str, ...]:
    note = ", ".join(filter(None, ("administrator" if of.account.is_admin else "", "disabled" if of.disabled_at else "")))
    return of.account.email, "yes" if of.has_password else "no", str(of.keys), str(of.tokens), time(of.created_at), note


@accounts.command()
@click.argument("email")
def invite(email: str) -> None:
    """Make an account if there is none, and print a sign-in link, which lets its owner set a password."""

    async def act(panel: Panel, by: Account) -> None:
        _show_link(panel, await people_flow.invite(panel, email, by))

    session.run(act)


@accounts.command("reset")
@click.argument("email")
@click.option("--second-factors", is_flag=True, help="Turn two-factor sign-in off too, and remove passkeys: their owner lost them.")
def reset_account(email: str, *, second_factors: bool) -> None:
    """Remove an account's password, end its sessions, and print a sign-in link."""

    async def act(panel: Panel, by: Account) -> None:
        _show_link(panel, await people_flow.reset(panel, await people_flow.find(panel, by, email), by, second_factors=second_factors))

    session.run(act)


def _change(email: str, change: Callable[[Panel, Account, Account], Awaitable[None]], done: str) -> None:
    async def act(panel: Panel, by: Account) -> None:
        account = await people_flow.find(panel, by, email)
        await change(panel, account, by)
        click.echo(f"{account.email} {done}.")

    session.run(act)


@accounts.command("disable")
@click.argument("email")
def disable_account(email: str) -> None:
    """Sign an account out everywhere, and refuse its password, keys and tokens."""
    _change(email, people_flow.disable, "is disabled")


@accounts.command("enable")
@click.argument("email")
def enable_account(email: str) -> None:
    """Enable a disabled account again."""
    _change(email, people_flow.enable, "is enabled")


@accounts.command("promote")
@click.argument("email")
def promote_account(email: str) -> None:
    """Make an account an administrator of the panel."""
    _change(email, people_flow.promote, "is an administrator")


@accounts.command("demote")
@click.argument("email")
def demote_account(email: str) -> None:
    """Take the administrator's rights from an account."""
    _change(email, people_flow.demote, "is no longer an administrator")


def _show_link(panel: Panel, invitation: Invitation) -> None:
    click.echo(
        f"Send {invitation.account.email} this sign-in link. It works once, within a day. They can then set a password under Account:"
    )
    click.echo(invitation.url(panel.address))
    if invitation.mail_note:
        click.echo(invitation.mail_note)


@click.group()
def keys() -> None:
    """List, add and remove SSH keys that may push."""


@keys.command("list")
@FOR
def list_keys(whose: str | None) -> None:
    """List the keys."""

    async def act(panel: Panel, owner: Account, _by: Account) -> None:
        for key in await accounts_flow.keys_of(panel, owner):
            click.echo(f"{key.fingerprint}  {key.name}")

    _about(whose, act)


@keys.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@FOR
def add_key(file: Path, whose: str | None) -> None:
    """Add a public key from a file such as ~/.ssh/id_ed25519.pub."""
    text = _read(file)

    async def act(panel: Panel, owner: Account, by: Account) -> None:
        key = panel.parse_public_key(text, file.name)
        await accounts_flow.add_key(panel, owner, key, by=by)
        click.echo(f"{key.fingerprint} may push as {owner.email}.")

    _about(whose, act)


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > MOST_OF_KEY_BYTES:
            raise Invalid(f"{file} is too large for a public key.", "Give the .pub file.")
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        raise Invalid(f"{file} cannot be read.", "Give the .pub file.") from None


@keys.command("remove")
@click.argument("fingerprint")
@FOR
def remove_key(fingerprint: str, whose: str | None) -> None:
    """Take a key away."""

    async def act(panel: Panel, owner: Account, by: Account) -> None:
        if not await accounts_flow.remove_key(panel, owner, fingerprint, by=by):
            raise NotFound(f"{owner.email} has no key {fingerprint}.", f"Run `skypanel keys list --for {owner.email}` to list them.")
        click.echo(f"Removed {fingerprint}")

    _about(whose, act)


@click.group()
def tokens() -> None:
    """List, make and revoke API tokens."""


@tokens.command("list")
@FOR
def list_tokens(whose: str | None) -> None:
    """List the tokens; the tokens themselves are never shown again."""

    async def act(panel: Panel, owner: Account, _by: Account) -> None:
        for token in await accounts_flow.tokens_of(panel, owner):
            click.echo(f"{token.id}  {token.scope}  {token.description}")

    _about(whose, act)


@tokens.command("add")
@click.argument("description")
@click.option("--days", type=click.IntRange(1), help="Days until the token expires.")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    default=Scope.GLOBAL.value,
    show_default=True,
    help="What the token may do.",
)
@FOR
def add_token(description: str, days: int | None, scope: str, whose: str | None) -> None:
    """Make a token and print it, this once."""
    life = timedelta(days=days) if days else None

    async def act(panel: Panel, owner: Account, by: Account) -> None:
        _, secret = await accounts_flow.authorize(panel, owner, description, Scope(scope), life, by=by)
        click.echo(secret)

    _about(whose, act)


@tokens.command("revoke")
@click.argument("token_id")
@FOR
def revoke_token(token_id: str, whose: str | None) -> None:
    """Revoke a token by its id."""
    wanted = as_id(token_id)
    if wanted is None:
        raise Invalid(f"{token_id} is not a token's id.", "`skypanel tokens list` shows them.")

    async def act(panel: Panel, owner: Account, by: Account) -> None:
        if not await accounts_flow.revoke_token(panel, owner, TokenId(wanted), by=by):
            raise NotFound(f"{owner.email} has no token {token_id}.", f"Run `skypanel tokens list --for {owner.email}` to list them.")
        click.echo("Revoked.")

    _about(whose, act)


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


COMMANDS = (accounts, keys, tokens, login_link, passwd)
