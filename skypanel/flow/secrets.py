"""Key rotation: every stored secret gets encrypted with a new key."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from skypanel.ports.crypto import KeyRing
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import (
    acme_orders,
    alert_destinations,
    certificates,
    config_vars,
    deploy_keys,
    log_drains,
    mails,
    nodes,
    settings,
    two_factor,
    webhooks,
)

PAGE = 500

_Read = Callable[[Connection], Awaitable[Mapping[Any, bytes]]]
_Replace = Callable[[Connection, Any, bytes, bytes], Awaitable[None]]


def _unconditionally(replace: Callable[[Connection, Any, bytes], Awaitable[None]]) -> _Replace:
    """Return a function that replaces a secret whatever the old one is."""
    return lambda conn, id_, _old, new: replace(conn, id_, new)


# How secrets are read by their ids, and how one is replaced by its id, its old value and the new one.
_KINDS: tuple[tuple[_Read, _Replace], ...] = (
    (settings.secrets, settings.replace_secret),
    (two_factor.secrets, two_factor.replace_secret),
    (certificates.secrets, certificates.replace_secret),
    (acme_orders.secrets, acme_orders.replace_secret),
    (acme_orders.account_secrets, acme_orders.replace_account_secret),
    (mails.secrets, _unconditionally(mails.replace_secret)),
    (deploy_keys.secrets, _unconditionally(deploy_keys.replace_secret)),
    (log_drains.secrets, _unconditionally(log_drains.replace_secret)),
    (alert_destinations.secrets, _unconditionally(alert_destinations.replace_secret)),
)


async def rotate(panel: Panel, keys: KeyRing) -> int:
    """Create a new encryption key, re-encrypt every stored secret with it, and return how many there are.

    The panel may run meanwhile.
    """
    keys.add()
    await reencrypt(panel)
    # Once more, for secrets that were written with the old key during the first pass.
    count = await reencrypt(panel)
    keys.retire()
    return count


async def reencrypt(panel: Panel) -> int:
    """Re-encrypt every secret and return how many there are. Idempotent, and safe to interrupt."""
    count = await _reencrypt_config_vars(panel) + await _reencrypt_logins(panel) + await _reencrypt_webhooks(panel)
    for read, replace in _KINDS:
        async with panel.transaction() as conn:
            secrets = await read(conn)
            for id_, secret in secrets.items():
                await replace(conn, id_, secret, panel.cipher.rotate(secret))
        count += len(secrets)
    return count


async def _reencrypt_config_vars(panel: Panel) -> int:
    after, count = 0, 0
    while True:
        async with panel.transaction() as conn:
            page = await config_vars.page(conn, after, PAGE)
            for row in page:
                await config_vars.replace(conn, row.id, panel.cipher.rotate(row.secret))
        if not page:
            return count
        after, count = page[-1].id, count + len(page)


async def _reencrypt_logins(panel: Panel) -> int:
    async with panel.transaction() as conn:
        known = await nodes.all(conn)
        for node in known:
            await nodes.set_secret(conn, node.id, panel.cipher.rotate(node.secret))
    return len(known)


async def _reencrypt_webhooks(panel: Panel) -> int:
    async with panel.transaction() as conn:
        secrets = await webhooks.secrets(conn)
        for webhook_id, (secret, authorization) in secrets.items():
            rotated = panel.cipher.rotate(authorization) if authorization else None
            await webhooks.replace_secrets(conn, webhook_id, panel.cipher.rotate(secret), rotated)
    return len(secrets)
