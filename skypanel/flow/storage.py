"""Object storage: test a storage, choose another one, and move the objects of the previous one."""

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
# A process that read the setting just before the change may still write to the old storage.
SETTLED = timedelta(days=1)
MAX_FAILURES = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StorageMove:
    """The storages, and how many objects must still move from the previous one."""

    storages: Storages
    left: int


async def chosen(database: Database, cipher: Cipher) -> Storages:
    """Return the chosen storage, and the previous one while some objects may be only there."""
    async with database.autocommit() as conn:
        return await _chosen(conn, cipher)


async def _chosen(conn: Connection, cipher: Cipher) -> Storages:
    before = (await settings.secrets(conn)).get(BEFORE)
    current = storage_of(await values(conn, cipher))
    return Storages(current, Storage.from_json(cipher.decrypt(before)) if before else None)


async def check(objects: Objects) -> None:
    """Write, read and delete an object, then close the storage. Raises Unavailable with the reason."""
    body = secrets.token_bytes(64)
    try:
        stored = await objects.add(ObjectKind.SOURCES, _once(body))
        try:
            found = b"".join([chunk async for chunk in objects.read(ObjectKind.SOURCES, stored.digest)])
        except NotFound:
            found = b""
        await objects.delete(ObjectKind.SOURCES, stored.digest)
        if found != body or await objects.exists(ObjectKind.SOURCES, stored.digest):
            raise Unavailable("The storage does not return what was written to it.", "Choose another storage, or check its log.")
    finally:
        await objects.close()


async def leave(conn: Connection, cipher: Cipher, old: Storage, new: Storage, by: Account) -> None:
    """Remember the previous storage, so that its objects are still found. Raises Conflict."""
    if old.is_same_place(new):
        return
    earlier = (await _chosen(conn, cipher)).before
    if earlier is not None and not earlier.is_same_place(new):
        raise Conflict(
            f"Objects are still being moved here from {earlier.place}.",
            "Choose another storage when `skypanel storage show` says that none is left to be moved.",
        )
    await settings.put_secret(conn, BEFORE, cipher.encrypt(old.to_json()), by.id)


async def moving(panel: Panel, by: Account) -> StorageMove:
    """Test the current storage, and count the objects that must still move there. Raises Denied, Unavailable."""
    check_admin(by)
    storages = await chosen(panel.database, panel.cipher)
    await check(panel.open_objects(storages.current))
    if storages.before is None:
        return StorageMove(storages, 0)
    old, new = panel.open_objects(storages.before), panel.open_objects(storages.current)
    try:
        return StorageMove(storages, sum([1 for kind in ObjectKind async for _ in _missing(old, new, kind)]))
    finally:
        await old.close()
        await new.close()


async def move(panel: Panel, within_s: float = inf) -> bool:
    """Copy objects that only the previous storage has, and return whether the current one has all of them now.

    Starts no copy after `within_s`. Idempotent, and safe to interrupt. Copied objects stay in the previous storage; it is forgotten a day
    after the change, once everything is copied. Raises Unavailable.
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
    """Stop using the previous storage, whatever it still holds. Raises Denied, NotFound."""
    check_admin(by)
    async with panel.transaction() as conn:
        await settings.lock(conn)
        before = (await _chosen(conn, panel.cipher)).before
        if before is None:
            raise NotFound("There is no previous storage.", "All objects are in the storage that `skypanel storage show` prints.")
        await settings.remove(conn, BEFORE)
        await audit.record(conn, AuditAction.STORAGE_FORGET, by, place=before.place)


async def _forget_settled(panel: Panel, storages: Storages) -> None:
    async with panel.transaction() as conn:
        await settings.lock(conn)
        changed_at = await settings.set_at(conn, BEFORE)
        if changed_at and changed_at < panel.clock.now() - SETTLED and await _chosen(conn, panel.cipher) == storages:
            await settings.remove(conn, BEFORE)
            log.info("all objects were moved to %s", storages.current.place)


async def _copy_all(old: Objects, new: Objects, kind: ObjectKind, stop_at: float) -> bool:
    """Copy missing objects and return whether all are copied. Raises the last error after MAX_FAILURES."""
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
    with suppress(NotFound):  # deleted in the meantime
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
