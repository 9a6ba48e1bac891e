"""Where objects are kept: trying a storage, choosing another, and moving what is in the one before."""

import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from time import monotonic

from skypanel.domain.access import check_admin
from skypanel.domain.account import Account
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, NotFound, SkyPanelError, Unavailable
from skypanel.domain.settings import storage_of
from skypanel.domain.storage import ObjectKind, Storage, Storages
from skypanel.flow import audit
from skypanel.flow.configured import values
from skypanel.ports.crypto import Cipher
from skypanel.ports.database import Connection, Database
from skypanel.ports.objects import Objects
from skypanel.ports.panel import Panel
from skypanel.store import settings

BEFORE = "storage_before"
# A process that looked up the storage just before it changed may still be writing to the old one.
SETTLED = timedelta(days=1)
MAX_FAILURES = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Moving:
    """Where objects are, and how many are still to be moved from where they were before."""

    storages: Storages
    left: int


async def chosen(database: Database, cipher: Cipher) -> Storages:
    """Return the storage that the settings choose, and the one before if there may still be objects in it alone."""
    async with database.autocommit() as conn:
        return await _chosen(conn, cipher)


async def _chosen(conn: Connection, cipher: Cipher) -> Storages:
    before = (await settings.secrets(conn)).get(BEFORE)
    current = storage_of(await values(conn, cipher))
    return Storages(current, Storage.from_json(cipher.decrypt(before)) if before else None)


async def check(objects: Objects) -> None:
    """Write an object, read it and delete it, and let go of the storage. Raises Unavailable with what is wrong."""
    body = secrets.token_bytes(64)
    try:
        stored = await objects.add(ObjectKind.SOURCES, _once(body))
        try:
            found = b"".join([chunk async for chunk in objects.read(ObjectKind.SOURCES, stored.digest)])
        except NotFound:
            found = b""
        await objects.delete(ObjectKind.SOURCES, stored.digest)
        if found != body or await objects.exists(ObjectKind.SOURCES, stored.digest):
            raise Unavailable("The storage does not keep what is written to it.", "Choose another, or look at its own log.")
    finally:
        await objects.close()


async def leave(conn: Connection, cipher: Cipher, old: Storage, new: Storage, by: Account) -> None:
    """Remember a storage that is left for another place, so that its objects are still found. Raises Conflict."""
    if old.is_same_place(new):
        return
    earlier = (await _chosen(conn, cipher)).before
    if earlier is not None and not earlier.is_same_place(new):
        raise Conflict(
            f"Objects are still being moved here from {earlier.place}.",
            "Choose another storage when `skypanel storage show` says that none is left there.",
        )
    await settings.put_secret(conn, BEFORE, cipher.encrypt(old.to_json()), by.id)


async def moving(panel: Panel, by: Account) -> Moving:
    """Try the storage, and count what is still to be moved there. Raises Denied, Unavailable."""
    check_admin(by)
    storages = await chosen(panel.database, panel.cipher)
    await check(panel.open_objects(storages.current))
    if storages.before is None:
        return Moving(storages, 0)
    old, new = panel.open_objects(storages.before), panel.open_objects(storages.current)
    try:
        return Moving(storages, sum([1 for kind in ObjectKind async for _ in _missing(old, new, kind)]))
    finally:
        await old.close()
        await new.close()


async def move(panel: Panel, within_s: float = inf) -> bool:
    """Copy what is in the storage before and not in the current one, and say whether all of it is there now.

    Begins no copy after `within_s`; idempotent, and safe to interrupt. What was copied stays in the old place, which
    is forgotten when all that is long done. Raises Unavailable.
    """
    stop_at = monotonic() + within_s
    storages = await chosen(panel.database, panel.cipher)
    if storages.before is None:
        return True
    old, new = panel.open_objects(storages.before), panel.open_objects(storages.current)
    try:
        done = all([await _copy_all(old, new, kind, stop_at) for kind in ObjectKind])
    finally:
        await old.close()
        await new.close()
    if done:
        await _forget_settled(panel, storages)
    return done


async def forget(panel: Panel, by: Account) -> None:
    """Look no more into the storage before, whatever is still there. Raises Denied, NotFound."""
    check_admin(by)
    async with panel.transaction() as conn:
        await settings.lock(conn)
        before = (await _chosen(conn, panel.cipher)).before
        if before is None:
            raise NotFound("There is no storage from before.", "All objects are where `skypanel storage show` says.")
        await settings.remove(conn, BEFORE)
        await audit.record(conn, AuditAction.STORAGE_FORGET, by, place=before.place)


async def _forget_settled(panel: Panel, storages: Storages) -> None:
    async with panel.transaction() as conn:
        await settings.lock(conn)
        left_at = await settings.set_at(conn, BEFORE)
        if left_at and left_at < panel.clock.now() - SETTLED and await _chosen(conn, panel.cipher) == storages:
            await settings.remove(conn, BEFORE)
            log.info("all objects were moved to %s", storages.current.place)


async def _copy_all(old: Objects, new: Objects, kind: ObjectKind, stop_at: float) -> bool:
    """Copy what is missing and say whether that is all. Raises Unavailable if a lot of it fails."""
    failures = 0
    async for name in _missing(old, new, kind):
        if monotonic() > stop_at:
            return False
        try:
            await _copy(old, new, kind, name)
        except SkyPanelError:
            log.exception("%s/%s cannot be moved", kind, name)
            failures += 1
            if failures == MAX_FAILURES:
                raise
    return failures == 0


async def _copy(old: Objects, new: Objects, kind: ObjectKind, name: str) -> None:
    with suppress(NotFound):  # deleted meanwhile
        if kind is ObjectKind.OUTPUTS:
            await new.put(kind, name, b"".join([chunk async for chunk in old.read(kind, name)]))
        elif (await new.add(kind, old.read(kind, name))).digest != name:
            raise Unavailable(f"The object {kind}/{name} is damaged in storage.", "Restore it from a backup.")


async def _missing(old: Objects, new: Objects, kind: ObjectKind) -> AsyncIterator[str]:
    there = {kept.name async for kept in new.list(kind)}
    async for kept in old.list(kind):
        if kept.name not in there:
            yield kept.name


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
