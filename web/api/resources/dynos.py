"""Formations, dynos and log sessions."""

from datetime import datetime

from skypanel.domain.app import App
from skypanel.domain.identity import derived_id
from skypanel.domain.manifest import Process, formation_id
from skypanel.flow.formation import DynoEntry
from web.api.resources.apps import app_ref
from web.api.resources.common import Count, Id, Named, Resource, Time, Url, time


class Formation(Resource):
    """A process type and its quantity of dynos."""

    id: Id
    app: Named
    command: str
    created_at: Time
    dyno_size: Named
    quantity: Count
    size: str
    type: str
    updated_at: Time


class ReleaseOfDyno(Resource):
    """The release that a dyno runs."""

    id: Id
    version: Count


class Dyno(Resource):
    """A dyno."""

    id: Id
    app: Named
    attach_url: str | None
    command: str
    created_at: Time
    name: str
    release: ReleaseOfDyno
    size: str
    state: str
    type: str
    updated_at: Time


class LogSession(Resource):
    """A URL of log lines."""

    id: Id
    created_at: Time
    logplex_url: Url
    updated_at: Time


def formation(of: Process, app: App, changed_at: datetime | None) -> Formation:
    """Return a process type of an app."""
    return Formation(
        id=str(formation_id(app.id, of.type)),
        app=app_ref(app),
        command=of.command,
        created_at=time(app.created_at),
        dyno_size=Named(id=str(derived_id("size", app.plan.name)), name=app.plan.name),
        quantity=of.quantity,
        size=app.plan.name,
        type=of.type,
        updated_at=time(changed_at or app.created_at),
    )


def dyno(entry: DynoEntry, app: App, attach_url: str | None = None) -> Dyno:
    """Return a dyno."""
    of, key, since = entry.dyno, entry.dyno.key, time(entry.dyno.since)
    release_id = entry.release_id or derived_id(app.id, "release", key.version)
    return Dyno(
        id=str(key.id),
        app=app_ref(app),
        attach_url=attach_url,
        command=entry.command,
        created_at=since,
        name=key.name,
        release=ReleaseOfDyno(id=str(release_id), version=key.version),
        size=app.plan.name,
        state=of.state.value,
        type=key.process_type,
        updated_at=since,
    )


def log_session(url: str, now: datetime) -> LogSession:
    """Return where logs are read."""
    return LogSession(id=str(derived_id(url)), created_at=time(now), logplex_url=url, updated_at=time(now))
