"""The first run: what a new panel needs before anyone can use it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skypanel.domain.access import Role
from skypanel.domain.account import Account, PublicKey
from skypanel.domain.errors import Unavailable
from skypanel.domain.plan import FIRST_PLANS
from skypanel.domain.settings import DEFAULTS, SETTINGS, Value
from skypanel.flow import accounts as accounts_flow
from skypanel.ports.database import Database
from skypanel.ports.panel import Panel
from skypanel.store import accounts, keys, organizations, plans, settings

NO_INDEXES: Mapping[str, str] = {}


@dataclass(frozen=True)
class FirstRun:
    """The administrator, and how many keys were found or added. `token` is set only if it was created now."""

    admin: Account
    keys: int
    token: str | None


async def initialize(panel: Panel, public_keys: Sequence[PublicKey], indexes: Mapping[str, str] = NO_INDEXES) -> FirstRun:
    """Create plans, settings, the administrator and the first organization if they are missing.

    The public keys go to the administrator on the first run only. `indexes` are the machine's settings of package indexes; they apply to
    settings without a value. Idempotent.
    """
    async with panel.transaction() as conn:
        await settings.add_missing(conn, _first_settings())
        known = await settings.secrets(conn)
        for name, text in indexes.items():
            if name not in known:
                await settings.put_secret(conn, name, panel.cipher.encrypt(text), None)
        existing = await accounts.admins(conn)
        if existing:
            return FirstRun(existing[0], len(await keys.of(conn, existing[0].id)), None)
        for offer in FIRST_PLANS:
            await plans.add(conn, offer)
        admin = await accounts.add(conn, f"admin@{panel.address.domain}", is_admin=True)
        organization = await organizations.add(conn, "Main", billed=False)
        await organizations.add_member(conn, organization.id, admin.id, Role.OWNER)
    # Two files may contain the same key.
    added = {(await accounts_flow.add_key(panel, admin, key, by=admin)).id for key in public_keys}
    return FirstRun(admin, len(added), await accounts_flow.add_token(panel, admin, "Written at the first run"))


def _first_settings() -> Mapping[str, Value]:
    """Return the default settings; a random prefix keeps apart two panels that share a bucket."""
    plain = {key: value for key, value in DEFAULTS.items() if not SETTINGS[key].is_sensitive}
    return {**plain, "s3_prefix": f"skypanel-{secrets.token_hex(4)}"}


async def publish_authority(panel: Panel, certificate: str) -> None:
    """Store the panel's CA certificate (PEM) in the database; agents on other machines use it to authenticate the panel."""
    await _publish(panel, "panel_ca", certificate)


async def publish_identity(panel: Panel, identity: str) -> None:
    """Store the panel's identity in the database; workers on other machines use it to label what they create."""
    await _publish(panel, "panel_identity", identity)


async def _publish(panel: Panel, key: str, value: str) -> None:
    async with panel.transaction() as conn:
        if await settings.get(conn, key) != value:
            await settings.put(conn, key, value, None)


async def identity(database: Database) -> str:
    """Return the stored identity of the panel. Raises Unavailable."""
    async with database.autocommit() as conn:
        found = await settings.get(conn, "panel_identity")
    if not found:
        raise Unavailable("The panel's identity is not in its database.", "Start the panel once with `skypanel up`, then this worker.")
    return str(found)
