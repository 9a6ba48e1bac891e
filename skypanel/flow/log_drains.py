"""Log drains: choose which servers get an app's log lines. `flow/drain_shipping.py` sends them."""

from collections.abc import Sequence

from skypanel.domain import log_drain as rules
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict
from skypanel.domain.ids import as_id
from skypanel.domain.internet import Network
from skypanel.domain.log_drain import LogDrain
from skypanel.flow import audit
from skypanel.flow.configured import receiver_networks
from skypanel.ports.panel import Panel
from skypanel.store import apps, log_drains
from skypanel.store.log_drains import Drained
from skypanel.store.rows import no_such


async def of(panel: Panel, app: App) -> Sequence[LogDrain]:
    """Return an app's drains, oldest first."""
    async with panel.autocommit() as conn:
        return [each.drain for each in await log_drains.of(conn, app.id)]


async def get(panel: Panel, app: App, name: str) -> LogDrain:
    """Return a drain of an app by its id, its token or its whole URL. Raises NotFound."""
    async with panel.autocommit() as conn:
        return _named(panel, await log_drains.of(conn, app.id), name)


async def add(panel: Panel, app: App, by: Account, url: str) -> LogDrain:
    """Add a drain, which gets all lines from now on. Raises Invalid, Denied, Unavailable, and Conflict if the app has it or too many."""
    rules.check_url(url)
    await panel.log_drains.check(url, await networks(panel))
    async with panel.transaction() as conn:
        await apps.lock(conn, app.id)
        present = await log_drains.of(conn, app.id)
        if len(present) >= rules.MAX_DRAINS:
            raise Conflict(f"{app.name} has {rules.MAX_DRAINS} log drains already.", "Remove one first.")
        if any(panel.cipher.decrypt(each.url) == url for each in present):
            raise Conflict(f"{app.name} has this log drain already.", "Remove it first to add it again.")
        drain = await log_drains.add(conn, app.id, by.id, panel.cipher.encrypt(url), rules.shown(url))
        await audit.record(conn, AuditAction.LOG_DRAIN_ADD, by, app, url=drain.shown)
    return drain


async def remove(panel: Panel, app: App, by: Account, name: str) -> LogDrain:
    """Remove a drain by its id, its token or its whole URL. Raises NotFound."""
    async with panel.transaction() as conn:
        drain = _named(panel, await log_drains.of(conn, app.id), name)
        await log_drains.remove(conn, drain.id)
        await audit.record(conn, AuditAction.LOG_DRAIN_REMOVE, by, app, url=drain.shown)
    return drain


async def networks(panel: Panel) -> tuple[Network, ...]:
    """Return the private networks that drains may be in."""
    async with panel.autocommit() as conn:
        return await receiver_networks(conn)


def _named(panel: Panel, drains: Sequence[Drained], name: str) -> LogDrain:
    drain_id = as_id(name.removeprefix("d."))
    for each in drains:
        if each.drain.id == drain_id or panel.cipher.decrypt(each.url) == name:
            return each.drain
    raise no_such("log drain")
