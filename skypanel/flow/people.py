"""Accounts, and how their owners get in, for the first time or again."""

from collections.abc import Sequence

from skypanel.domain.access import check_account, check_admin
from skypanel.domain.account import Account, AccountEntry
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, NotFound, Unavailable
from skypanel.domain.ids import AccountId, as_id
from skypanel.domain.names import check_email, printable
from skypanel.domain.paging import PAGE_SIZE, Part
from skypanel.flow import accounts as accounts_flow
from skypanel.flow import audit, invitation, two_factor
from skypanel.flow.invitation import Invitation
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import accounts, passkeys, sign_ins


async def overview(panel: Panel, by: Account) -> Sequence[AccountEntry]:
    """Return all accounts in order of address; for administrators only. Raises Denied."""
    check_admin(by)
    async with panel.autocommit() as conn:
        return await accounts.entries(conn)


async def search(panel: Panel, by: Account, text: str, number: int) -> Part[AccountEntry]:
    """Return a page of the accounts with a text in their address, in order of address. Raises Denied."""
    check_admin(by)
    async with panel.autocommit() as conn:
        found = await accounts.search(conn, text.strip(), offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE)
        return Part(found, number, await accounts.count(conn, text.strip()))


async def first_admin(panel: Panel) -> Account:
    """Return the panel's oldest administrator. Raises Unavailable if there is none."""
    async with panel.autocommit() as conn:
        admins = await accounts.admins(conn)
    if not admins:
        raise Unavailable("This panel has no admin yet.", "Start it once with `skypanel up`.")
    return admins[0]


async def show(panel: Panel, account: Account, by: Account) -> AccountEntry:
    """Return an account with its ways to sign in. Raises Denied."""
    check_account(by, account)
    async with panel.autocommit() as conn:
        return await accounts.entry(conn, account.id)


async def known(panel: Panel, email: str) -> Account | None:
    """Return the account with this address, or None. Raises Invalid for an invalid address."""
    async with panel.autocommit() as conn:
        return await accounts.by_email(conn, check_email(email))


async def find(panel: Panel, by: Account, who: str) -> Account:
    """Return the caller's own account, or for an administrator any account, by its address or id. Raises Denied or NotFound."""
    if who.lower() in {by.email, str(by.id)}:
        return by
    check_admin(by)
    async with panel.autocommit() as conn:
        account = await _named(conn, who)
    if account is None:
        raise NotFound(f"There is no account {printable(who)}.", "Run `skypanel accounts list` or call GET /accounts to list all.")
    return account


async def invite(panel: Panel, email: str, by: Account) -> Invitation:
    """Return a login link with which its owner sets a password; an address without an account gets one.

    Earlier links stop working. Raises Denied, Invalid, and Conflict if the account has a password.
    """
    check_admin(by)
    async with panel.transaction() as conn:
        account, _ = await invitation.account_of(conn, email, by)
        if (await accounts.entry(conn, account.id)).has_password:
            raise Conflict(
                f"{account.email} already has a password.",
                f"If it is lost, reset it and create a sign-in link: `skypanel accounts reset {account.email}`.",
            )
        admitted = await _admit(panel, conn, account, by, AuditAction.ACCOUNT_INVITE)
    return await invitation.mailed(panel, admitted)


async def reset(panel: Panel, account: Account, by: Account, *, second_factors: bool = False) -> Invitation:
    """Delete an account's password, end its sessions, and return a login link with which its owner sets another.

    Its owner notices this, so nobody can use the account in secret. Keys and tokens stay. With `second_factors`,
    two-factor sign-in and passkeys go too. Raises Denied.
    """
    check_admin(by)
    async with panel.transaction() as conn:
        await accounts.set_password_hash(conn, account.id, None)
        await sign_ins.end_sessions(conn, account.id)
        if second_factors:
            await two_factor.remove(conn, account, by)
            await passkeys.remove_all(conn, account.id)
        admitted = await _admit(panel, conn, account, by, AuditAction.ACCOUNT_RESET)
    return await invitation.mailed(panel, admitted)


async def disable(panel: Panel, account: Account, by: Account) -> None:
    """Disable an account: its sessions and links end, and its password, keys and tokens work no more. Idempotent.

    Raises Denied, and Conflict for one's own account and for the last administrator.
    """
    check_admin(by)
    async with panel.transaction() as conn:
        await accounts.lock_admins(conn)
        await _check_may_go(conn, account, by)
        await accounts.set_disabled(conn, account.id, disabled=True)
        await sign_ins.end_sessions(conn, account.id)
        await audit.record(conn, AuditAction.ACCOUNT_DISABLE, by, account=account)


async def enable(panel: Panel, account: Account, by: Account) -> None:
    """Enable a disabled account again; its password, keys and tokens work as before. Idempotent. Raises Denied."""
    check_admin(by)
    async with panel.transaction() as conn:
        await accounts.set_disabled(conn, account.id, disabled=False)
        await audit.record(conn, AuditAction.ACCOUNT_ENABLE, by, account=account)


async def promote(panel: Panel, account: Account, by: Account) -> None:
    """Make an account an administrator of the panel. Idempotent. Raises Denied, and Conflict for a disabled account."""
    check_admin(by)
    async with panel.transaction() as conn:
        await accounts.lock_admins(conn)
        await _check_enabled(conn, account)
        await accounts.set_admin(conn, account.id, is_admin=True)
        await audit.record(conn, AuditAction.ACCOUNT_PROMOTE, by, account=account)


async def demote(panel: Panel, account: Account, by: Account) -> None:
    """Take the administrator's rights from an account. Idempotent.

    Raises Denied, and Conflict for one's own account and for the last administrator.
    """
    check_admin(by)
    async with panel.transaction() as conn:
        await accounts.lock_admins(conn)
        await _check_may_go(conn, account, by)
        await accounts.set_admin(conn, account.id, is_admin=False)
        await audit.record(conn, AuditAction.ACCOUNT_DEMOTE, by, account=account)


async def _check_may_go(conn: Connection, account: Account, by: Account) -> None:
    """Raise Conflict if the panel would lose its last administrator, or `by` would lock themselves out."""
    if account.id == by.id:
        raise Conflict("That is your own account.", "Have another administrator do it.")
    if [each.id for each in await accounts.admins(conn)] == [account.id]:
        raise Conflict(f"{account.email} is the last administrator.", "Make somebody else one first.")


async def _check_enabled(conn: Connection, account: Account) -> None:
    if await accounts.is_disabled(conn, account.id):
        raise Conflict(f"{account.email} is disabled.", f"Enable it first: `skypanel accounts enable {account.email}`.")


async def _admit(panel: Panel, conn: Connection, account: Account, by: Account, action: AuditAction) -> Invitation:
    await _check_enabled(conn, account)
    await sign_ins.drop_links(conn, account.id)
    link = await accounts_flow.add_link(panel.clock, conn, account)
    await audit.record(conn, action, by, account=account)
    return Invitation(account, link)


async def _named(conn: Connection, who: str) -> Account | None:
    account_id = as_id(who)
    return await (accounts.by_id(conn, AccountId(account_id)) if account_id else accounts.by_email(conn, who))
