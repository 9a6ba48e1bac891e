"""Key rotation: every stored secret gets encrypted with a new key."""

from skypanel.ports.crypto import KeyRing
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
    after, count = 0, await _reencrypt_settings(panel)
    while True:
        async with panel.transaction() as conn:
            page = await config_vars.page(conn, after, PAGE)
            for row in page:
                await config_vars.replace(conn, row.id, panel.cipher.rotate(row.secret))
        if not page:
            return (
                count
                + await _reencrypt_mails(panel)
                + await _reencrypt_codes(panel)
                + await _reencrypt_logins(panel)
                + await _reencrypt_deploy_keys(panel)
                + await _reencrypt_certificates(panel)
                + await _reencrypt_webhooks(panel)
                + await _reencrypt_log_drains(panel)
                + await _reencrypt_destinations(panel)
            )
        after, count = page[-1].id, count + len(page)


async def _reencrypt_settings(panel: Panel) -> int:
    async with panel.transaction() as conn:
        secrets = await settings.secrets(conn)
        for key, secret in secrets.items():
            await settings.replace_secret(conn, key, secret, panel.cipher.rotate(secret))
    return len(secrets)


async def _reencrypt_logins(panel: Panel) -> int:
    async with panel.transaction() as conn:
        known = await nodes.all(conn)
        for node in known:
            await nodes.set_secret(conn, node.id, panel.cipher.rotate(node.secret))
    return len(known)


async def _reencrypt_mails(panel: Panel) -> int:
    async with panel.transaction() as conn:
        secrets = await mails.secrets(conn)
        for mail_id, secret in secrets.items():
            await mails.replace_secret(conn, mail_id, panel.cipher.rotate(secret))
    return len(secrets)


async def _reencrypt_codes(panel: Panel) -> int:
    async with panel.transaction() as conn:
        secrets = await two_factor.secrets(conn)
        for account_id, secret in secrets.items():
            await two_factor.replace_secret(conn, account_id, secret, panel.cipher.rotate(secret))
    return len(secrets)


async def _reencrypt_deploy_keys(panel: Panel) -> int:
    async with panel.transaction() as conn:
        secrets = await deploy_keys.secrets(conn)
        for app_id, secret in secrets.items():
            await deploy_keys.replace_secret(conn, app_id, panel.cipher.rotate(secret))
    return len(secrets)


async def _reencrypt_certificates(panel: Panel) -> int:
    """Re-encrypt the private keys of certificates, of orders and of accounts at certificate authorities."""
    async with panel.transaction() as conn:
        issued, ordered, of_accounts = (
            await certificates.secrets(conn),
            await acme_orders.secrets(conn),
            await acme_orders.account_secrets(conn),
        )
        for certificate_id, secret in issued.items():
            await certificates.replace_secret(conn, certificate_id, secret, panel.cipher.rotate(secret))
        for name, secret in ordered.items():
            await acme_orders.replace_secret(conn, name, secret, panel.cipher.rotate(secret))
        for account_id, secret in of_accounts.items():
            await acme_orders.replace_account_secret(conn, account_id, secret, panel.cipher.rotate(secret))
    return len(issued) + len(ordered) + len(of_accounts)


async def _reencrypt_webhooks(panel: Panel) -> int:
    async with panel.transaction() as conn:
        secrets = await webhooks.secrets(conn)
        for webhook_id, (secret, authorization) in secrets.items():
            rotated = panel.cipher.rotate(authorization) if authorization else None
            await webhooks.replace_secrets(conn, webhook_id, panel.cipher.rotate(secret), rotated)
    return len(secrets)


async def _reencrypt_log_drains(panel: Panel) -> int:
    async with panel.transaction() as conn:
        secrets = await log_drains.secrets(conn)
        for drain_id, secret in secrets.items():
            await log_drains.replace_secret(conn, drain_id, panel.cipher.rotate(secret))
    return len(secrets)


async def _reencrypt_destinations(panel: Panel) -> int:
    async with panel.transaction() as conn:
        secrets = await alert_destinations.secrets(conn)
        for destination_id, secret in secrets.items():
            await alert_destinations.replace_secret(conn, destination_id, panel.cipher.rotate(secret))
    return len(secrets)
