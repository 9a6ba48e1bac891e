"""Webhooks: requests to URLs of an app's owner when something happens to the app, in the shape of Heroku's.

https://devcenter.heroku.com/articles/app-webhooks
"""

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from skypanel.domain import urls
from skypanel.domain.build import BuildState
from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AppId, WebhookDeliveryId, WebhookEventId, WebhookId
from skypanel.domain.internet import Network
from skypanel.domain.manifest import formation_id
from skypanel.domain.names import printable
from skypanel.domain.release import ReleaseState

MAX_WEBHOOKS = 20
MAX_URL_LENGTH = 1000
# Of deliveries to a receiver that does not answer, or that an app causes faster than it takes them.
MAX_WAITING = 1000
MAX_SECRET_LENGTH = 256
KEPT = timedelta(days=7)
GIVE_UP_AFTER = timedelta(hours=72)
LONGEST_PAUSE = timedelta(hours=6)
SIGNATURE = "Heroku-Webhook-Hmac-SHA256"

_URL = re.compile(r"[!-~]+")
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]+")
_SECRET = re.compile(r"[ -~]+")
_PORT = 443


class WebhookLevel(StrEnum):
    """How hard a delivery is tried: once, or again and again until it succeeds or GIVE_UP_AFTER has passed."""

    NOTIFY = "notify"
    SYNC = "sync"


class DeliveryStatus(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Entity(StrEnum):
    """What events are about, in Heroku's words."""

    BUILD = "api:build"
    RELEASE = "api:release"
    FORMATION = "api:formation"


ENTITIES: Mapping[Entity, str] = {
    Entity.BUILD: "A build begins, succeeds or fails",
    Entity.RELEASE: "A release is made, goes live or fails",
    Entity.FORMATION: "The number of dynos changes",
}


@dataclass(frozen=True)
class Webhook:
    """A URL that gets the events of some entities of an app."""

    id: WebhookId
    app_id: AppId
    url: str
    include: tuple[str, ...]
    level: WebhookLevel
    created_at: datetime
    updated_at: datetime

    @property
    def host(self) -> str:
        """The host of its URL, for places where a path with a secret must not show."""
        return host_of(self.url)


@dataclass(frozen=True)
class WebhookEvent:
    """Something that happened to an app. `fields` are columns of the row that changed, `actor` is an id and an address."""

    id: WebhookEventId
    app_id: AppId
    app_name: str
    include: str
    action: str
    resource: str
    fields: Mapping[str, Any]
    actor: tuple[str, str] | None
    created_at: datetime


@dataclass(frozen=True)
class Delivery:
    """An event for one webhook, how often it was tried, and what the last attempt gave: a status code, or an error."""

    id: WebhookDeliveryId
    webhook_id: WebhookId
    level: WebhookLevel
    url: str
    event_id: WebhookEventId
    include: str
    status: DeliveryStatus
    attempts: int
    code: int | None
    error: str | None
    attempted_at: datetime | None
    next_attempt_at: datetime | None
    created_at: datetime

    @property
    def host(self) -> str:
        """The host of the webhook's URL."""
        return host_of(self.url)


@dataclass(frozen=True)
class Posting:
    """A request to a URL. `networks` are private networks that it may go to, in addition to public addresses."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    networks: tuple[Network, ...] = ()


def host_of(url: str) -> str:
    """Return the host of a URL."""
    return urlsplit(url).hostname or ""


def is_same_server(one: str, other: str) -> bool:
    """Whether two URLs lead to the same host and port."""
    first, second = urlsplit(one), urlsplit(other)
    return (first.hostname, first.port or _PORT) == (second.hostname, second.port or _PORT)


def check_url(url: str) -> str:
    """Return the URL of a receiver. Raises Invalid, whose message does not show it: it may contain a secret."""
    allowed = "Write it like this: https://example.com/hooks"
    split, given = urls.split(url, Invalid("This is not a URL.", allowed))
    port = _PORT if given is None else given
    if not _URL.fullmatch(url) or len(url) > MAX_URL_LENGTH or not _HOST.fullmatch(split.hostname or ""):
        raise Invalid("This is not a URL.", allowed)
    if split.scheme != "https":
        raise Invalid("A webhook needs an https URL, because others could read and change what it sends.", allowed)
    if "@" in split.netloc or split.fragment or not port:
        raise Invalid("The URL of a webhook has no user, password or #.", "Use a secret or an authorization header instead.")
    return url


def check_include(include: Iterable[str]) -> tuple[str, ...]:
    """Return the entities of a webhook, each once. Raises Invalid."""
    found = tuple(dict.fromkeys(include))
    for name in found:
        if name not in set(Entity):
            raise Invalid(f"This panel has no events of {printable(name)}.", f"Choose of {', '.join(Entity)}.")
    if not found:
        raise Invalid("A webhook needs at least one kind of event.", f"Choose of {', '.join(Entity)}.")
    return found


def check_level(level: str) -> WebhookLevel:
    """Return a level. Raises Invalid."""
    if level not in set(WebhookLevel):
        raise Invalid(f"{printable(level)} is not a level of webhooks.", "notify sends once; sync tries again until it succeeds.")
    return WebhookLevel(level)


def check_secret(secret: str, what: str) -> str:
    """Return a secret or an authorization header. Raises Invalid, whose message does not show it."""
    if not _SECRET.fullmatch(secret) or len(secret) > MAX_SECRET_LENGTH:
        raise Invalid(f"The {what} does not fit.", f"Use up to {MAX_SECRET_LENGTH} printable ASCII characters.")
    return secret


def signature(secret: str, body: bytes) -> str:
    """Return the value of the header SIGNATURE for a body."""
    return b64encode(hmac.digest(secret.encode(), body, sha256)).decode()


def next_attempt(level: WebhookLevel, attempts: int, created_at: datetime, now: datetime) -> datetime | None:
    """Return when a delivery is due again after so many failed attempts, or None if it has failed for good."""
    due = now + min(timedelta(minutes=2 ** min(attempts - 1, 10)), LONGEST_PAUSE)
    return due if level is WebhookLevel.SYNC and due < created_at + GIVE_UP_AFTER else None


def payload(event: WebhookEvent) -> dict[str, Any]:
    """Return an event as Heroku's webhooks send it."""
    published = _time(event.created_at)
    return {
        "id": str(event.id),
        "action": event.action,
        "actor": {"id": event.actor[0], "email": event.actor[1]} if event.actor else None,
        "created_at": published,
        "data": {**_DATA[Entity(event.include)](event), "app": {"id": str(event.app_id), "name": event.app_name}},
        "previous_data": {},
        "published_at": published,
        "resource": event.include.removeprefix("api:"),
        "sequence": None,
        "updated_at": published,
        "version": "application/vnd.heroku+json; version=3",
    }


def body(event: WebhookEvent, delivery_id: WebhookDeliveryId, webhook_id: WebhookId) -> bytes:
    """Return the body of a delivery."""
    metadata = {
        "delivery": {"id": str(delivery_id)},
        "event": {"id": str(event.id), "include": event.include},
        "webhook": {"id": str(webhook_id)},
    }
    return json.dumps({**payload(event), "webhook_metadata": metadata}).encode()


_BUILD_STATUS = {BuildState.PENDING: "pending", BuildState.BUILDING: "pending"}
_RELEASE_STATUS = {ReleaseState.SUPERSEDED: "expired"}


def _build(event: WebhookEvent) -> dict[str, Any]:
    row, state = event.fields, BuildState(event.fields["state"])
    return {
        "id": event.resource,
        "created_at": _time(datetime.fromisoformat(row["created_at"])),
        "slug": {"id": row["slug_id"]} if row["slug_id"] else None,
        "source_blob": {"version": row["source_commit"]},
        "status": _BUILD_STATUS.get(state, state.value),
    }


def _release(event: WebhookEvent) -> dict[str, Any]:
    row, state = event.fields, ReleaseState(event.fields["state"])
    return {
        "id": event.resource,
        "created_at": _time(datetime.fromisoformat(row["created_at"])),
        "description": row["description"],
        "slug": {"id": row["slug_id"]} if row["slug_id"] else None,
        "status": _RELEASE_STATUS.get(state, state.value),
        "version": row["version"],
    }


def _formation(event: WebhookEvent) -> dict[str, Any]:
    kind = event.resource
    return {"id": str(formation_id(event.app_id, kind)), "quantity": event.fields["quantity"], "type": kind}


_DATA = {Entity.BUILD: _build, Entity.RELEASE: _release, Entity.FORMATION: _formation}


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
