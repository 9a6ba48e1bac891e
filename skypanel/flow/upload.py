"""Uploads in place of pushes: a URL for an archive, the archive as it arrives, and its build."""

import hashlib
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Callable

from skypanel.domain import upload as rules
from skypanel.domain.account import Account
from skypanel.domain.app import App
from skypanel.domain.audit import AuditAction
from skypanel.domain.build import Build, Source, SourceKind
from skypanel.domain.errors import Invalid, Throttled
from skypanel.domain.ids import BuildId, UploadId
from skypanel.domain.life import UPLOAD_LIFE
from skypanel.domain.storage import ObjectKind
from skypanel.domain.transcript import size
from skypanel.domain.upload import MAX_UPLOAD_BYTES, MAX_UPLOADS, Upload
from skypanel.flow import audit, receive
from skypanel.flow import build as build_flow
from skypanel.flow.digest import digest
from skypanel.ports.panel import Panel
from skypanel.store import accounts, uploads


async def offer(panel: Panel, by: Account, app: App | None = None) -> tuple[Upload, str]:
    """Return an upload for the account, valid for an hour, and its secret; the audit log names `app`.

    Raises Throttled.
    """
    secret = secrets.token_urlsafe(32)
    async with panel.transaction() as conn:
        if not await uploads.has_room(conn, by.id, MAX_UPLOADS):
            raise Throttled(f"You requested {MAX_UPLOADS} uploads within an hour.", "Use one of them, or wait.")
        offered = await uploads.add(conn, by.id, digest(secret), panel.clock.now() + UPLOAD_LIFE)
        await audit.record(conn, AuditAction.UPLOAD_OFFER, by, app, upload=str(offered.id))
    return offered, secret


async def take(panel: Panel, secret: str, chunks: AsyncIterable[bytes]) -> Upload:
    """Store the uploaded archive as a source, once; a failed upload may be repeated.

    Raises NotFound for an unknown secret, Conflict for a used one, Invalid for an archive that cannot be built.
    """
    async with panel.autocommit() as conn:
        found = await uploads.by_put_digest(conn, digest(secret))
    if found is None:
        raise rules.ended()
    if found.source_digest is not None:
        raise rules.used()
    checksum = hashlib.sha256()
    stored = await panel.objects.add(ObjectKind.SOURCES, panel.archives.source(_measured(chunks, checksum.update)))
    async with panel.transaction() as conn:
        if not await uploads.take(conn, found.id, stored.digest, checksum.hexdigest()):
            raise rules.used()
        taken = await uploads.of(conn, found.account_id, found.id)
        if taken is None:
            raise rules.ended()
        by = await accounts.get(conn, found.account_id)
        await audit.record(conn, AuditAction.UPLOAD_TAKE, by, upload=str(found.id), checksum=taken.checksum)
    return taken


async def build(panel: Panel, app: App, by: Account, upload_id: UploadId, *, version: str | None, checksum: str | None) -> Build:
    """Queue a build of an upload of the account; `version` is the account's name for it.

    Raises Invalid if the upload does not exist or its checksum differs, Conflict as for a push.
    """
    async with panel.autocommit() as conn:
        found = await uploads.of(conn, by.id, upload_id)
    if found is None:
        raise rules.missing()
    source = Source(SourceKind.ARCHIVE, rules.check(found, checksum), rules.read_version(version))
    if not await panel.objects.exists(ObjectKind.SOURCES, source.digest):
        raise rules.missing()
    await receive.check_idle(panel, app)
    made = await build_flow.request(panel, app, by.id, source, _discard)
    async with panel.transaction() as conn:
        await audit.record(conn, AuditAction.BUILD_REQUEST, by, app, build=str(made.id), source=source.kind)
    return made


async def cancel(panel: Panel, app: App, build_id: BuildId, by: Account) -> bool:
    """Cancel a build of any source; False if it has ended."""
    stopped = await build_flow.cancel(panel, app.id, f"{by.email} cancelled this build.", build_id)
    if stopped:
        async with panel.transaction() as conn:
            await audit.record(conn, AuditAction.BUILD_CANCEL, by, app, build=str(build_id))
    return stopped


async def _measured(chunks: AsyncIterable[bytes], update: Callable[[bytes], None]) -> AsyncIterator[bytes]:
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > MAX_UPLOAD_BYTES:
            raise Invalid(f"The limit for an upload is {size(MAX_UPLOAD_BYTES)}.", "Leave out what the app does not need.")
        update(chunk)
        yield chunk


async def _discard(_line: str) -> None:
    """Drop a line for the pusher: the client that requests this build reads its output instead."""
