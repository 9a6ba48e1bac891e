"""Releases: listing, looking, and rolling back."""

from collections.abc import Sequence
from uuid import UUID

from skypanel.domain.app import App
from skypanel.domain.errors import NotFound
from skypanel.domain.release import Release
from skypanel.flow import release as release_flow
from skypanel.ports.database import Connection
from skypanel.store import accounts, releases
from web.api import serializers, tickets
from web.api.calls import Call, Reply
from web.api.ranges import Page, Range
from web.api.schema import MAX_INTEGER, Json, either, integer, record, string

ROLLBACK = record("release", release=either(string(), integer(1)))
MAX_DIGITS = 9


def version(text: str) -> int:
    """Return the number of a version such as 3 or v3. Raises NotFound for what is none."""
    digits = text.removeprefix("v")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS):
        raise NotFound("There is no such release.", "Name it by its version, such as v3.")
    return int(digits)


async def index(call: Call) -> Page:
    """List an app's releases by version."""
    app, asked = await call.app(), call.range
    low, high = _bounds(asked)
    async with call.panel.autocommit() as conn:
        found = await releases.page(conn, app.id, asked.max + 1, low, high, is_descending=asked.is_descending)
        emails = await _emails(conn, found)
    if not found and app.current_release_id is None and low <= 1:
        return Page([serializers.unreleased(app)])
    page = found[: asked.max]
    return Page(_shown(call, app, page, emails), asked.next("version", page[-1].version) if len(found) > len(page) else None)


async def show(call: Call) -> Reply:
    """Show a release, by its version or id."""
    app = await call.app()
    async with call.panel.autocommit() as conn:
        release = await _named(conn, app, call.params["release"])
        emails = await _emails(conn, [release])
    return Reply(_shown(call, app, [release], emails)[0])


async def roll_back(call: Call) -> Reply:
    """Release the slug of an earlier release anew."""
    app = await call.app()
    async with call.panel.autocommit() as conn:
        target = await _named(conn, app, str(call.body["release"]))
    rollout = await release_flow.roll_back(call.panel, app, target.version, call.account)
    async with call.panel.autocommit() as conn:
        release = await releases.get(conn, rollout.release_id)
    return Reply(_shown(call, app, [release], {call.account.id: call.account.email})[0], 201)


async def _named(conn: Connection, app: App, text: str) -> Release:
    try:
        release_id = UUID(text)
    except ValueError:
        return await releases.by_version(conn, app.id, version(text))
    release = await releases.get(conn, release_id)
    if release.app_id != app.id:
        raise NotFound("There is no such release.")
    return release


async def _emails(conn: Connection, found: Sequence[Release]) -> dict[UUID, str]:
    return await accounts.emails(conn, {release.account_id for release in found if release.account_id})


def _shown(call: Call, app: App, found: Sequence[Release], emails: dict[UUID, str]) -> list[Json]:
    return [
        serializers.release(
            release,
            app,
            emails.get(release.account_id) if release.account_id else None,
            tickets.url(call, app, "releases", {"version": release.version}),
        )
        for release in found
    ]


def _bounds(asked: Range) -> tuple[int, int]:
    """Return the versions of a page; other fields than the version bound nothing."""
    if asked.field != "version":
        return 0, MAX_INTEGER
    first, last = (_number(text) for text in (asked.first, asked.last))
    step = -1 if asked.is_descending else 1
    first = first + step * asked.after_first if first is not None else None
    last = last - step * asked.before_last if last is not None else None
    low, high = (last, first) if asked.is_descending else (first, last)
    return 0 if low is None else low, MAX_INTEGER if high is None else high


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None
