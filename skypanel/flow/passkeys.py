"""Passkeys: add, list and remove them, and sign in by one. A passkey is both factors at once."""

import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from skypanel.domain.account import Account
from skypanel.domain.audit import AuditAction
from skypanel.domain.clients import network
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from skypanel.domain.ids import PasskeyId
from skypanel.domain.passkey import CHALLENGE_LIFE, MAX_PASSKEYS, Passkey, Question, RelyingParty, check_name
from skypanel.flow import attempts, audit, sessions
from skypanel.flow.digest import digest
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import accounts, passkeys

SIGN_IN = "sign in"


async def of(panel: Panel, account: Account) -> Sequence[Passkey]:
    """Return an account's passkeys, oldest first."""
    async with panel.autocommit() as conn:
        return await passkeys.of(conn, account.id)


async def question_to_add(panel: Panel, account: Account, party: RelyingParty) -> Question:
    """Return what a browser is asked to make a passkey."""
    known = [passkey.credential.id for passkey in await of(panel, account)]
    challenge = _seal(panel, str(account.id))
    return Question(panel.passkeys.options_to_add(party, account, challenge.encode(), known), challenge)


async def add(panel: Panel, account: Account, party: RelyingParty, name: str, challenge: str, answer: str) -> Passkey:  # noqa: PLR0917
    """Add the passkey that a browser made. Raises Invalid and Conflict."""
    name = check_name(name)
    expires_at = _open(panel, challenge, str(account.id))
    credential = panel.passkeys.added(party, answer, challenge.encode())
    async with panel.transaction() as conn:
        await _use_up(conn, challenge, expires_at)
        if len(await passkeys.of(conn, account.id)) >= MAX_PASSKEYS:
            raise Conflict(f"An account has at most {MAX_PASSKEYS} passkeys.", "Remove one first.")
        passkey = await passkeys.add(conn, account.id, credential, name)
        await audit.record(conn, AuditAction.PASSKEY_ADD, account, name=name)
    return passkey


async def remove(panel: Panel, account: Account, passkey_id: PasskeyId) -> None:
    """Remove a passkey. Raises NotFound."""
    async with panel.transaction() as conn:
        if not await passkeys.remove(conn, account.id, passkey_id):
            raise NotFound("There is no such passkey.", "The list shows yours.")
        await audit.record(conn, AuditAction.PASSKEY_REMOVE, account, passkey=str(passkey_id))


async def question_to_sign_in(panel: Panel, party: RelyingParty) -> Question:
    """Return what a browser is asked for a sign-in. Nothing is stored, so anybody may ask."""
    challenge = _seal(panel, SIGN_IN)
    return Question(panel.passkeys.options_to_sign_in(party, challenge.encode()), challenge)


async def sign_in(  # noqa: PLR0917 - what a browser answers, and where it is
    panel: Panel, party: RelyingParty, challenge: str, answer: str, address: str, browser: str
) -> str:
    """Return the session of whoever answered by a passkey. Raises Invalid for a bad answer, Denied, and Throttled."""
    attempt, before = await attempts.begin(panel, digest("a passkey"), network(address), is_known=True)
    try:
        async with panel.transaction() as conn:
            account = await _owner(panel, conn, party, challenge, answer)
            begun = await sessions.begin(panel.clock, conn, account, address, browser)
    except (Denied, Invalid):
        await attempts.fail(panel, None, before, means="a passkey")
        raise
    await attempts.end(panel, attempt)
    return begun


async def _owner(panel: Panel, conn: Connection, party: RelyingParty, challenge: str, answer: str) -> Account:
    """Return the account of the passkey that answered."""
    expires_at = _open(panel, challenge, SIGN_IN)
    found = await passkeys.by_credential(conn, panel.passkeys.credential_id(answer))
    if found is None or await accounts.is_disabled(conn, found[0].id):
        raise Denied("This passkey is not known here, or its account is disabled.", "Sign in another way, then add it under Account.")
    account, passkey = found
    sign_count = panel.passkeys.verified(party, answer, challenge.encode(), passkey.credential)
    await _use_up(conn, challenge, expires_at)
    await passkeys.note_use(conn, passkey.id, sign_count)
    return account


def _seal(panel: Panel, purpose: str) -> str:
    """Return a challenge that only the panel can make, for one purpose and a few minutes."""
    expires_at = panel.clock.now() + CHALLENGE_LIFE
    return panel.cipher.encrypt(json.dumps([purpose, expires_at.timestamp(), secrets.token_hex(16)])).decode()


def _open(panel: Panel, challenge: str, purpose: str) -> datetime:
    """Return when a challenge expires. Raises Invalid if it is not the panel's, is for something else, or has expired."""
    try:
        sealed_purpose, expires, _ = json.loads(panel.cipher.decrypt(challenge.encode()))
    except Unavailable:
        raise _old() from None
    expires_at = datetime.fromtimestamp(expires, UTC)
    if sealed_purpose != purpose or expires_at <= panel.clock.now():
        raise _old()
    return expires_at


async def _use_up(conn: Connection, challenge: str, expires_at: datetime) -> None:
    if not await passkeys.use_challenge(conn, digest(challenge), expires_at):
        raise _old()


def _old() -> Invalid:
    return Invalid("This took too long, or was answered already.", "Reload the page, then try again.")
