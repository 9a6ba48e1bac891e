"""Finding the account of an e-mail address, or making it."""

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
    """Who was given access. `link` is the path that signs a new account in, once and within a day, to set its password.

    It is a secret, and None where the account was there before: its owner can sign in already.
    """

    account: Account
    link: str | None = field(repr=False)

    def url(self, address: Address) -> str | None:
        """Return the link as it is to be opened."""
        return None if self.link is None else address.dashboard_url() + self.link.removeprefix("/")


async def account_of(conn: Connection, email: str) -> tuple[Account, bool]:
    """Return the account of an address and whether it was made now. Raises Invalid."""
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
    """Return what to tell somebody who was given access; a new account needs a link to sign in by."""
    return Invitation(account, await accounts_flow.login_link(panel, account) if is_new else None)
