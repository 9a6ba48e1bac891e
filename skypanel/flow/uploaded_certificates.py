"""An app's certificates: uploading, replacing and removing them, and whether the panel orders those of its domains."""

from collections.abc import Sequence
from datetime import timedelta

from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.certificate import Certificate, Facts, KeyPair, Source, pause
from skypanel.domain.errors import Conflict, NotFound
from skypanel.domain.names import printable
from skypanel.domain.uploaded_certificates import check, check_size
from skypanel.flow import audit
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import acme_orders, apps, certificates

MAX_CERTIFICATES = 20
# CAs limit failures an hour; by itself the panel waits longer after each.
REFRESH_PAUSE = timedelta(minutes=10)


async def listed(panel: Panel, app: App) -> Sequence[Certificate]:
    """Return an app's uploaded certificates and those of its domains, the oldest first."""
    async with panel.autocommit() as conn:
        return await certificates.of_app(conn, app.id)


async def find(panel: Panel, app: App, text: str) -> Certificate:
    """Return a certificate of an app by its name or id. Raises NotFound."""
    for each in await listed(panel, app):
        if text in {each.name, str(each.id)}:
            return each
    raise NotFound(f"{app.name} has no certificate {printable(text)}.", f"Run `skypanel certs list {app.name}` to list its certificates.")


async def add(panel: Panel, app: App, by: Account, *, chain: str, key: str) -> Certificate:
    """Upload a certificate with its chain and key, both PEM. It is served for those of its names that the app has proved.

    Raises Invalid for what browsers would refuse, and for names that no app can have. Raises Conflict if the app has too many, or one for
    the same name.
    """
    facts, pair = _read(panel, chain, key)
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        uploaded = await _uploaded(conn, app)
        if len(uploaded) >= MAX_CERTIFICATES:
            raise Conflict(f"{app.name} has {MAX_CERTIFICATES} certificates, which is the most.", "Remove one first.")
        _check_free(uploaded, facts)
        added = await certificates.add_upload(conn, app.id, facts, pair.chain, panel.cipher.encrypt(pair.key))
        await _record(conn, AuditAction.CERTIFICATE_ADD, by, app, added)
    return added


async def change(panel: Panel, app: App, certificate: Certificate, by: Account, *, chain: str, key: str) -> Certificate:
    """Replace an uploaded certificate. Raises as `add` does, Conflict for one that was not uploaded, and NotFound if it is gone."""
    _check_uploaded(app, certificate)
    facts, pair = _read(panel, chain, key)
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        _check_free([each for each in await _uploaded(conn, app) if each.id != certificate.id], facts)
        changed = await certificates.replace_upload(conn, certificate.id, facts, pair.chain, panel.cipher.encrypt(pair.key))
        await _record(conn, AuditAction.CERTIFICATE_CHANGE, by, app, changed)
    return changed


async def remove(panel: Panel, app: App, certificate: Certificate, by: Account) -> None:
    """Remove an uploaded certificate. Raises Conflict for one that was not uploaded, and NotFound if it is gone."""
    _check_uploaded(app, certificate)
    async with panel.transaction() as conn:
        if not await certificates.remove_upload(conn, certificate.id):
            raise NotFound(f"{app.name} has no certificate {certificate.name}.")
        await _record(conn, AuditAction.CERTIFICATE_REMOVE, by, app, certificate)


async def automate(panel: Panel, app: App, by: Account, *, on: bool) -> App:
    """Set whether the panel orders certificates for an app's domains. Those that it has ordered go if it is turned off."""
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        if (await apps.get(conn, app.id)).automatic_certificates != on:
            await apps.set_automatic_certificates(conn, app.id, on=on)
            await audit.record(conn, AuditAction.CERTIFICATE_AUTOMATE, by, app, on=on)
        if not on:
            await acme_orders.remove_of_domains(conn, app.id)
            await certificates.remove_issued(conn, app.id)
        return await apps.get(conn, app.id)


async def order_again(panel: Panel, app: App, by: Account) -> None:
    """Let the orders of an app that failed be tried again now, except those that failed minutes ago or whose CA asked to wait."""
    now = panel.clock.now()
    async with panel.transaction() as conn:
        failed = await acme_orders.waiting(conn, app.id)
        # A CA's own time is longer than the panel's pause, so it counts as a failure that is still to come.
        due = [each.name for each in failed if each.next_attempt_at - pause(each.failures) <= now - REFRESH_PAUSE]
        await acme_orders.hasten(conn, app.id, due, now)
        await audit.record(conn, AuditAction.CERTIFICATE_REFRESH, by, app, domains=due)


def _read(panel: Panel, chain: str, key: str) -> tuple[Facts, KeyPair]:
    check_size(chain, key)
    facts, pair = panel.certificates.read_upload(chain, key)
    check(facts, panel.address.domain, panel.clock.now())
    return facts, pair


async def _uploaded(conn: Connection, app: App) -> list[Certificate]:
    return [each for each in await certificates.of_app(conn, app.id) if each.source is Source.UPLOADED]


def _check_free(others: Sequence[Certificate], facts: Facts) -> None:
    for each in others:
        if both := [name for name in facts.names if name in each.facts.names]:
            raise Conflict(f"{each.name} is for {both[0]}, too.", "Replace that one, or remove it first.")


def _check_uploaded(app: App, certificate: Certificate) -> None:
    if certificate.source is not Source.UPLOADED:
        raise Conflict(
            f"The panel ordered {certificate.name} by itself.",
            f"Upload one for the same names, or run `skypanel certs auto {app.name} off`.",
        )


async def _record(conn: Connection, action: AuditAction, by: Account, app: App, certificate: Certificate) -> None:
    until = certificate.facts.not_after.isoformat()
    await audit.record(conn, action, by, app, certificate=certificate.name, names=list(certificate.facts.names), until=until)
