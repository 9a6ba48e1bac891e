"""The panel's settings, which administrators read and change."""

from collections.abc import Mapping
from dataclasses import dataclass

from skypanel.domain import dns_updates
from skypanel.domain.access import check_admin
from skypanel.domain.account import Account
from skypanel.domain.audit import AuditAction
from skypanel.domain.errors import Conflict, Invalid
from skypanel.domain.setting import Setting
from skypanel.domain.settings import BUCKET_SETTINGS, SETTINGS, STORAGE_SETTINGS, Value, bucket_of, read, storage_of
from skypanel.flow import audit, billing
from skypanel.flow import storage as storage_flow
from skypanel.flow.configured import values
from skypanel.ports.crypto import Cipher
from skypanel.ports.database import Connection
from skypanel.ports.objects import OpenObjects
from skypanel.ports.panel import Panel
from skypanel.store import plans, settings

HIDDEN = "(secret)"


@dataclass(frozen=True)
class Shown:
    """The current state of a setting; `value` is None for a sensitive one, whether it is set or not."""

    setting: Setting[Value]
    value: Value | None
    is_set: bool


async def show(panel: Panel, by: Account) -> list[Shown]:
    """Return all settings, without the values of sensitive ones. Raises Denied."""
    check_admin(by)
    async with panel.autocommit() as conn:
        plain, secrets = await settings.all(conn), await settings.secrets(conn)
    return [
        Shown(setting, None if setting.is_sensitive else plain.get(key, setting.default), key in plain or key in secrets)
        for key, setting in SETTINGS.items()
    ]


async def change(panel: Panel, by: Account, changes: Mapping[str, str]) -> None:
    """Change settings, all or none.

    A new storage is tested first: an object is written, read and deleted. Once it is chosen, objects move there from the old one. Raises
    Denied; NotFound or Invalid for invalid settings; Unavailable for a storage that fails; Conflict.
    """
    check_admin(by)
    changed = read(changes)
    async with panel.autocommit() as conn:
        before = await values(conn, panel.cipher)
        await _check_plan(conn, changed)
    after = {**before, **changed}
    if changed.keys() & set(dns_updates.SETTINGS):
        dns_updates.access_of(after)
    await _try_storage(panel.open_objects, changed, after)
    async with panel.transaction() as conn:
        await settings.lock(conn)
        if await values(conn, panel.cipher) != before:
            raise Conflict("The settings have changed in the meantime.", "Check them and try again.")
        if changed.keys() & set(STORAGE_SETTINGS):
            await storage_flow.leave(conn, panel.cipher, storage_of(before), storage_of(after), by)
        for key, value in changed.items():
            await _put(conn, panel.cipher, key, value, by)
        shown = {key: HIDDEN if SETTINGS[key].is_sensitive else value for key, value in changed.items()}
        await audit.record(conn, AuditAction.SETTINGS_CHANGE, by, settings=shown)
    if billing.SWITCH in changed:
        await billing.review(panel)


async def _put(conn: Connection, cipher: Cipher, key: str, value: Value, by: Account) -> None:
    if SETTINGS[key].is_sensitive:
        await settings.put_secret(conn, key, cipher.encrypt(str(value)), by.id)
    else:
        await settings.put(conn, key, value, by.id)


async def _check_plan(conn: Connection, changed: Mapping[str, Value]) -> None:
    if "default_plan" in changed:
        names = [plan.name for plan in await plans.all(conn)]
        if str(changed["default_plan"]).lower() not in map(str.lower, names):
            raise Invalid(f"default_plan: There is no plan {changed['default_plan']}.", f"There are {', '.join(names)}.")


async def _try_storage(open_objects: OpenObjects, changed: Mapping[str, Value], after: Mapping[str, Value]) -> None:
    """Test the bucket if any of its settings change, whether it is in use or not; otherwise test a newly chosen storage."""
    if changed.keys() & set(BUCKET_SETTINGS):
        await storage_flow.check(open_objects(bucket_of(after)))
    elif "storage" in changed:
        await storage_flow.check(open_objects(storage_of(after)))
