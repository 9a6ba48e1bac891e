"""Access for a person: find the account of an e-mail address, or create it."""

from dataclasses import dataclass, field, replace

from skypanel.domain import mails, names
from skypanel.domain.access import runs_platform
from skypanel.domain.account import Account
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, SkyPanelError
from skypanel.domain.life import LOGIN_LINK_LIFE
from skypanel.domain.mail import server_of
from skypanel.domain.routing import Address
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import mail
from skypanel.flow.configured import values
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import accounts, sign_ins


@dataclass(frozen=True)
class Invitation:
    """Who got access. `link` is the path that signs in a new account once, within a day, to set its password.

    It is a secret, and None if the account existed before: its owner can already sign in. `is_mailed` says whether the owner was sent the
    link. `mail_error` is why not, if the panel sends mail.
    """

    account: Account
    link: str | None = field(repr=False)
    is_mailed: bool = False
    mail_error: SkyPanelError | None = None

    @property
    def mail_note(self) -> str:
        """What became of the mail with the link, as a sentence; empty if the panel sends no mail."""
        if self.mail_error is not None:
            return self.mail_error.message
        return f"The link was mailed to {self.account.email}." if self.is_mailed else ""

    def url(self, address: Address) -> str | None:
        """Return the full URL of the link."""
        return None if self.link is None else address.dashboard_url() + self.link.removeprefix("/")


async def account_of(conn: Connection, email: str, by: Account) -> tuple[Account, bool]:
    """Return the account of an address, and whether it is new. Raises Invalid.

    The one who makes an account gets its sign-in link. Only administrators may get a link for another person's address.
    """
    address = names.check_email(email)
    known = await accounts.by_email(conn, address)
    if known:
        return known, False
    if not runs_platform(by):
        raise Invalid(
            f"{address} has no account here.",
            "Ask an administrator of this panel to make one: `skypanel accounts invite` and that address.",
        )
    return await accounts.add(conn, address), True


async def known(conn: Connection, email: str) -> Account:
    """Return the account of an address. Raises NotFound."""
    account = await accounts.by_email(conn, email)
    if account is None:
        raise NotFound(f"{names.printable(email)} has no access here.", "Check the address in the list of people with access.")
    return account


async def invite(panel: Panel, account: Account, *, is_new: bool) -> Invitation:
    """Return the invitation of an account; a new account gets a login link."""
    if not is_new:
        return Invitation(account, None)
    return await mailed(panel, Invitation(account, await accounts_flow.login_link(panel, account)))


async def renew(panel: Panel, conn: Connection, account: Account, by: Account) -> Invitation:
    """Return a new link for an account that nobody signed in to yet; earlier links stop working. `sent_again` sends it.

    Raises Conflict for an account that is in use: a link to it would let others in. Raises Denied if the link cannot be mailed, unless `by`
    may see it.
    """
    if not runs_platform(by) and server_of(await values(conn, panel.cipher)) is None:
        raise Denied("This panel sends no mail.", "Ask an administrator of it for a link: `skypanel accounts invite`.")
    if await accounts.is_in_use(conn, account.id):
        raise Conflict(
            f"{account.email} has signed in before.", "If the password is lost, its owner can ask for a new one on the sign-in page."
        )
    await sign_ins.drop_links(conn, account.id)
    return Invitation(account, await accounts_flow.add_link(panel.clock, conn, account))


async def sent_again(panel: Panel, renewed: Invitation, by: Account) -> Invitation:
    """Mail a renewed invitation. Only an administrator gets its link as well, because whoever has it can sign in to the account.

    Raises what kept the mail from being sent, except for an administrator.
    """
    sent = await mailed(panel, renewed)
    if runs_platform(by):
        return sent
    if sent.mail_error is not None:
        raise sent.mail_error
    return replace(sent, link=None)


async def mailed(panel: Panel, invitation: Invitation) -> Invitation:
    """Mail the link of an invitation to its account, if the panel sends mail. The invitation is good whether that fails or not."""
    url = invitation.url(panel.address)
    if url is None or await mail.server(panel) is None:
        return invitation
    failed = await mail.send(panel, mails.invitation(invitation.account.email, url, LOGIN_LINK_LIFE))
    return replace(invitation, is_mailed=failed is None, mail_error=failed)
