"""Access for a person: find the account of an e-mail address, or create it."""

from dataclasses import dataclass, field

from skypanel.domain import names
from skypanel.domain.account import Account
from skypanel.domain.errors import NotFound
from skypanel.domain.routing import Address
from skypanel.flow import accounts as accounts_flow
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import accounts


@dataclass(frozen=True)
class Invitation:
    """Who got access. `link` is the path that signs in a new account once, within a day, to set its password.

    It is a secret, and None if the account existed before: its owner can already sign in.
    """

    account: Account
    link: str | None = field(repr=False)

    def url(self, address: Address) -> str | None:
        """Return the full URL of the link."""
        return None if self.link is None else address.dashboard_url() + self.link.removeprefix("/")


async def account_of(conn: Connection, email: str) -> tuple[Account, bool]:
    """Return the account of an address, and whether it is new. Raises Invalid."""
    address = names.check_email(email)
    known = await accounts.by_email(conn, address)
    return (known, False) if known else (await accounts.add(conn, address), True)


async def known(conn: Connection, email: str) -> Account:
    """Return the account of an address. Raises NotFound."""
    account = await accounts.by_email(conn, email)
    if account is None:
        raise NotFound(f"{names.printable(email)} has no access here.", "The list shows who has.")
    return account


async def invite(panel: Panel, account: Account, *, is_new: bool) -> Invitation:
    """Return the invitation of an account; a new account gets a login link."""
    return Invitation(account, await accounts_flow.login_link(panel, account) if is_new else None)
