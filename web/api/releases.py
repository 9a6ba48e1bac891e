"""Releases: list, show and roll back to them."""

from typing import Annotated

from msgspec import Meta

from skypanel.domain.app import App
from skypanel.domain.errors import NotFound
from skypanel.domain.ids import ReleaseId, as_id
from skypanel.flow import history
from skypanel.flow import release as release_flow
from skypanel.flow.history import ReleaseEntry
from web.api import tickets
from web.api.bodies import MAX_INTEGER, Body, Text
from web.api.calls import Call, Reply
from web.api.ranges import Page, Range
from web.api.resources import releases

MAX_DIGITS = 9


class Rollback(Body):
    """The release to go back to, by its version or id."""

    release: Text | Annotated[int, Meta(ge=1, le=MAX_INTEGER)]


def version(text: str) -> int:
    """Return the number of a version such as 3 or v3. Raises NotFound for any other text."""
    digits = text.removeprefix("v")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS):
        raise NotFound("There is no such release.", "Use its version, such as v3.")
    return int(digits)


async def index(call: Call) -> Page:
    """List an app's releases by version."""
    app, requested = await call.app(), call.range
    low, high = _bounds(requested)
    found = await history.releases(call.panel, app, requested.max + 1, low, high, is_descending=requested.is_descending)
    if not found and app.current_release_id is None and low <= 1:
        return Page([releases.unreleased(app)])
    page = found[: requested.max]
    following = requested.next("version", page[-1].release.version) if len(found) > len(page) else None
    return Page([_shown(call, app, each) for each in page], following)


async def show(call: Call) -> Reply:
    """Show a release, by its version or id."""
    app = await call.app()
    return Reply(_shown(call, app, await history.release(call.panel, app, _named(call.params["release"]))))


async def roll_back(call: Call, body: Rollback) -> Reply:
    """Roll back: create a release with the slug of an earlier one."""
    app = await call.app()
    target = await history.release(call.panel, app, _named(str(body.release)))
    rollout = await release_flow.roll_back(call.panel, app, target.release.version, call.account)
    return Reply(_shown(call, app, await history.release(call.panel, app, rollout.release_id)), 201)


def _named(text: str) -> ReleaseId | int:
    release_id = as_id(text)
    return ReleaseId(release_id) if release_id else version(text)


def _shown(call: Call, app: App, entry: ReleaseEntry) -> releases.Release:
    return releases.release(entry, app, tickets.url(call, app, "releases", {"version": entry.release.version}))


def _bounds(requested: Range) -> tuple[int, int]:
    """Return the lowest and the highest version of a page. A range by another field has no bounds."""
    if requested.field != "version":
        return 0, MAX_INTEGER
    first, last = (_number(text) for text in (requested.first, requested.last))
    step = -1 if requested.is_descending else 1
    first = first + step * requested.after_first if first is not None else None
    last = last - step * requested.before_last if last is not None else None
    low, high = (last, first) if requested.is_descending else (first, last)
    return 0 if low is None else low, MAX_INTEGER if high is None else high


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None
