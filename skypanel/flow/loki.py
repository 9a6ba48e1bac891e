"""Loki: which one the settings choose, and the lines of apps on their way there."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from skypanel.domain import loki as rules
from skypanel.domain.app import App
from skypanel.domain.errors import Invalid, SkyPanelError, Unavailable
from skypanel.domain.ids import AppId
from skypanel.domain.log import LogLine, Source
from skypanel.domain.log_drain import pause_s
from skypanel.domain.loki import Loki, Parcel
from skypanel.flow.configured import values
from skypanel.ports.crypto import Cipher
from skypanel.ports.database import Database
from skypanel.ports.outgoing import LogStore, Outgoing
from skypanel.ports.panel import Panel
from skypanel.store import apps
from skypanel.tasks import cancel, together

# How often an app is told that lines of it are missing in Loki.
NOTICE_S = 60.0
# Longer than it takes to read the log files once, and to close the connection to Loki.
STOP_S = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LokiPace:
    """How often to look at the settings and at the log files, and how long to wait after so many failures in a row."""

    refresh_s: float = 5.0
    collect_s: float = 1.0
    pause_s: Callable[[int], float] = pause_s


async def chosen(database: Database, cipher: Cipher) -> Loki | None:
    """Return the Loki of the settings, or None. Raises Unavailable."""
    async with database.autocommit() as conn:
        return rules.chosen(await values(conn, cipher))


async def ship(panel: Panel, outgoing: Outgoing, open_store: Callable[[Loki], LogStore], pace: LokiPace = LokiPace()) -> None:
    """Send new lines of all apps to the Loki of the settings, until cancelled. Without one, wait until there is one."""
    shipping, before = _Shipping(panel, outgoing, pace), None
    running: list[asyncio.Task[None]] = []
    try:
        while True:
            loki = await _looked_up(panel, before)
            if loki != before:
                await cancel(running, STOP_S)
                running = [asyncio.create_task(shipping.run(loki, open_store) if loki else shipping.rest())]
                before = loki
            for each in running:
                if each.done():
                    each.result()
            await asyncio.sleep(pace.refresh_s)
    finally:
        await cancel(running, STOP_S)


async def _looked_up(panel: Panel, before: Loki | None) -> Loki | None:
    try:
        return await chosen(panel.database, panel.cipher)
    except Unavailable as error:
        log.warning("the settings of Loki cannot be read: %s", error)
        return before


class _Shipping:
    """Takes lines from the log files into a buffer on disk, and sends them from there, in order."""

    def __init__(self, panel: Panel, outgoing: Outgoing, pace: LokiPace) -> None:
        self._panel = panel
        self._outgoing = outgoing
        self._pace = pace
        self._collected = asyncio.Event()
        self._told: dict[AppId, float] = {}

    async def rest(self) -> None:
        """Forget what waits: there is no Loki any more."""
        try:
            await self._outgoing.forget()
        except Unavailable as error:
            log.warning("%s", error)

    async def run(self, loki: Loki, open_store: Callable[[Loki], LogStore]) -> None:
        """Collect and send until cancelled."""
        store = open_store(loki)
        try:
            await together(self._collect(), self._send(loki, store))
        finally:
            await store.close()

    async def _collect(self) -> None:
        while True:
            try:
                collected = await self._outgoing.collect()
            except Unavailable as error:
                log.warning("%s", error)
            else:
                if collected.lines:
                    self._collected.set()
                await self._tell(
                    {
                        app_id: f"{number} lines were dropped before Loki had them: its buffer is full."
                        for app_id, number in collected.dropped.items()
                    }
                )
            await asyncio.sleep(self._pace.collect_s)

    async def _send(self, loki: Loki, store: LogStore) -> None:
        failures = 0
        while True:
            self._collected.clear()
            try:
                while parcel := await self._outgoing.first():
                    await self._push(loki, store, parcel)
                    await self._outgoing.remove(parcel)
                    failures = 0
            except Unavailable as error:
                failures += 1
                if failures == 1:
                    log.warning("lines wait for Loki: %s", error)
                await asyncio.sleep(self._pace.pause_s(failures))
            else:
                await self._collected.wait()

    async def _push(self, loki: Loki, store: LogStore, parcel: Parcel) -> None:
        """Send the lines of each tenant. Raises Unavailable: all are sent again then, which adds nothing to those that have arrived."""
        async with self._panel.autocommit() as conn:
            known = {app.id: app for app in await apps.by_ids(conn, parcel.lines.keys())}
        for tenant, of_tenant in _by_tenant(loki, known, parcel).items():
            try:
                await store.push(tenant, of_tenant)
            except Invalid as error:
                log.warning("%s", error)
                await self._tell(dict.fromkeys(of_tenant.lines, f"Some lines are not in Loki, which refused them. {error.message}"))

    async def _tell(self, notices: Mapping[AppId, str]) -> None:
        """Say in the log of an app that lines are missing, but not again and again."""
        due = {app_id: text for app_id, text in notices.items() if monotonic() - self._told.get(app_id, -NOTICE_S) >= NOTICE_S}
        if not due:
            return
        try:
            async with self._panel.autocommit() as conn:
                found = await apps.by_ids(conn, due.keys())
            for app in found:
                await self._panel.logs.write(app, due[app.id], Source.SYSTEM)
                self._told[app.id] = monotonic()
        except SkyPanelError as error:
            log.warning("nobody can be told: %s", error)


def _by_tenant(loki: Loki, known: Mapping[AppId, App], parcel: Parcel) -> dict[str, Parcel]:
    """Return the lines of each tenant. Those of apps that are gone are left out."""
    lines: dict[str, dict[AppId, Sequence[LogLine]]] = {}
    for app_id, of_app in parcel.lines.items():
        if app_id in known:
            lines.setdefault(loki.tenant_of(known[app_id].organization_id), {})[app_id] = of_app
    return {tenant: Parcel(parcel.name, of_tenant) for tenant, of_tenant in lines.items()}
