"""Things as the API shows them: pure functions from the domain's values to JSON."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from skypanel.domain.access import Member, Role
from skypanel.domain.account import Account, AccountEntry, Key, Organization, Token
from skypanel.domain.app import App, Listing
from skypanel.domain.build import BuildState
from skypanel.domain.identity import derived_id
from skypanel.domain.ids import AccountId
from skypanel.domain.manifest import Process, formation_id
from skypanel.domain.release import ReleaseState
from skypanel.domain.routing import Address
from skypanel.domain.slug import STACK
from skypanel.flow.formation import DynoEntry
from skypanel.flow.history import BuildEntry, ReleaseEntry

Json = dict[str, Any]

MASK = "********"
REGION, GENERATION = "local", "cedar"
# Heroku's words, which its clients know: what it calls a collaborator may do least.
ROLE_WORDS = {Role.VIEWER: "collaborator", Role.DEVELOPER: "member", Role.ADMIN: "admin", Role.OWNER: "owner"}
STATUS = {
    ReleaseState.PENDING: "pending",
    ReleaseState.SUCCEEDED: "succeeded",
    ReleaseState.FAILED: "failed",
    ReleaseState.SUPERSEDED: "expired",
}
BUILD_STATUS = {
    BuildState.PENDING: "pending",
    BuildState.BUILDING: "pending",
    BuildState.SUCCEEDED: "succeeded",
    BuildState.FAILED: "failed",
}
ROLE_PERMISSIONS = {1: ("view",), 2: ("view", "deploy", "operate"), 3: ("view", "deploy", "operate", "manage")}


def time(moment: datetime | None) -> str | None:
    """Return a point in time as the API writes it (RFC 3339)."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else None


NOBODY_ID, NOBODY_EMAIL = str(derived_id("nobody")), "nobody@skypanel.invalid"
GENERATION_ID, STACK_ID, REGION_ID = (str(derived_id(*parts)) for parts in (("generation",), ("stack", STACK), ("region", REGION)))


def app_ref(app: App) -> Json:
    """Return an app as other things name it."""
    return {"id": str(app.id), "name": app.name}


def user_ref(account_id: AccountId | None, email: str | None) -> Json:
    """Return who did something; clients take it to be somebody, also where they are gone."""
    return {"id": str(account_id) if account_id else NOBODY_ID, "email": email or NOBODY_EMAIL}


def team_ref(of: Organization) -> Json:
    """Return an organization as other things name it."""
    return {"id": str(of.id), "name": of.name}


def app(listing: Listing, address: Address) -> Json:
    """Return an app."""
    of, owner = listing.app, listing.owner
    team = team_ref(listing.team) if listing.team else None
    return {
        **app_ref(of),
        "acm": False,
        "archived_at": None,
        "buildpack_provided_description": None,
        "build_stack": stack_ref(),
        "create_status": "complete",
        "created_at": time(of.created_at),
        "generation": {"id": GENERATION_ID, "name": GENERATION},
        "git_url": address.https_remote(of.name),
        "internal_routing": None,
        "joined": True,
        "locked": False,
        "maintenance": of.maintenance,
        "owner": user_ref(owner.id if owner else None, owner.email if owner else None),
        "process_tier": of.plan.name.lower(),
        "region": region_ref(),
        "organization": team,
        "team": team,
        "space": None,
        "released_at": time(listing.released_at),
        "repo_size": of.repository_bytes,
        "slug_size": listing.slug_bytes,
        "stack": stack_ref(),
        "updated_at": time(listing.released_at or of.created_at),
        "web_url": address.url(of.name),
    }


def stack_ref() -> Json:
    """Return the one stack there is."""
    return {"id": STACK_ID, "name": STACK}


def region_ref() -> Json:
    """Return the one region there is."""
    return {"id": REGION_ID, "name": REGION}


def account(of: Account) -> Json:
    """Return who calls."""
    return {
        "id": str(of.id),
        "email": of.email,
        "name": None,
        "country_of_residence": None,
        "delinquent_at": None,
        "identity_provider": None,
        "last_login": None,
        "sms_number": None,
        "suspended_at": None,
        "allow_tracking": False,
        "beta": False,
        "default_organization": None,
        "default_team": None,
        "federated": False,
        "two_factor_authentication": False,
        "verified": True,
    }


def account_entry(of: AccountEntry) -> Json:
    """Return any account, as an administrator sees it."""
    return {
        "id": str(of.account.id),
        "email": of.account.email,
        "administrator": of.account.is_admin,
        "created_at": time(of.created_at),
        "has_password": of.has_password,
        "keys": of.keys,
        "authorizations": of.tokens,
    }


def key(of: Key, email: str) -> Json:
    """Return an SSH key, with its name as the comment of its line: the CLI shows that, and removes keys by it."""
    line = of.public_key.split()
    return {
        "id": str(of.id),
        "comment": of.name,
        "created_at": time(of.created_at),
        "email": email,
        "fingerprint": of.fingerprint,
        "public_key": " ".join((*line[:2], of.name)),
        "updated_at": time(of.created_at),
    }


def authorization(of: Token, user: Account, now: datetime, secret: str | None = None) -> Json:
    """Return an API token; the token itself only where the caller has it, or is to get it now."""
    expires_in = int((of.expires_at - now).total_seconds()) if of.expires_at else None
    return {
        "id": str(of.id),
        "access_token": {"id": str(of.id), "expires_in": expires_in, "token": secret or ""},
        "client": None,
        "created_at": time(of.created_at),
        "description": of.description,
        "grant": None,
        "refresh_token": None,
        "scope": [of.scope],
        "session": None,
        "updated_at": time(of.last_used_at or of.created_at),
        "user": {"id": str(user.id), "email": user.email, "full_name": None},
    }


def release(entry: ReleaseEntry, app: App, output_url: str | None) -> Json:
    """Return a release."""
    of = entry.release
    return {
        "id": str(of.id),
        "addon_plan_names": [],
        "app": app_ref(app),
        "artifacts": [],
        "created_at": time(of.created_at),
        "current": of.id == app.current_release_id,
        "description": of.description,
        "eligible_for_rollback": of.proven_slug_id is not None,
        "output_stream_url": output_url,
        "slug": {"id": str(of.slug_id)} if of.slug_id else None,
        "status": STATUS[of.state],
        "updated_at": time(of.created_at),
        "user": user_ref(of.account_id, entry.email),
        "version": of.version,
    }


def build(entry: BuildEntry, app: App, output_url: str) -> Json:
    """Return a build; the URL of what it was made of is nobody's to fetch."""
    of = entry.build
    return {
        "id": str(of.id),
        "app": app_ref(app),
        "buildpacks": None,
        "created_at": time(of.created_at),
        "generation": GENERATION,
        "output_stream_url": output_url,
        "release": {"id": str(entry.release_id)} if entry.release_id else None,
        "slug": {"id": str(of.slug_id)} if of.slug_id else None,
        "source_blob": {"checksum": None, "kind": of.source.kind, "url": "", "version": of.source.commit, "version_description": None},
        "stack": STACK,
        "status": BUILD_STATUS[of.state],
        "updated_at": time(of.finished_at or of.created_at),
        "user": user_ref(of.account_id, entry.email),
    }


def unreleased(app: App) -> Json:
    """Return what stands for a release before there is one: clients take an app to have one always."""
    return {
        "id": str(derived_id(app.id, "unreleased")),
        "addon_plan_names": [],
        "app": app_ref(app),
        "artifacts": [],
        "created_at": time(app.created_at),
        "current": True,
        "description": "Nothing is released yet: push first",
        "eligible_for_rollback": False,
        "output_stream_url": None,
        "slug": None,
        "status": "pending",
        "updated_at": time(app.created_at),
        "user": user_ref(None, None),
        "version": 0,
    }


def formation(of: Process, app: App, changed_at: datetime | None) -> Json:
    """Return how many dynos of a process type run."""
    return {
        "id": str(formation_id(app.id, of.type)),
        "app": app_ref(app),
        "command": of.command,
        "created_at": time(app.created_at),
        "dyno_size": {"id": str(derived_id("size", app.plan.name)), "name": app.plan.name},
        "quantity": of.quantity,
        "size": app.plan.name,
        "type": of.type,
        "updated_at": time(changed_at or app.created_at),
    }


def dyno(entry: DynoEntry, app: App, attach_url: str | None = None) -> Json:
    """Return a dyno."""
    of, made = entry.dyno, entry.dyno.key
    return {
        "id": str(made.id),
        "app": app_ref(app),
        "attach_url": attach_url,
        "command": entry.command,
        "created_at": time(of.since),
        "name": made.name,
        "release": {"id": str(entry.release_id or derived_id(app.id, "release", made.version)), "version": made.version},
        "size": app.plan.name,
        "state": of.state.value,
        "type": made.process_type,
        "updated_at": time(of.since),
    }


def collaborator_id(account_id: AccountId, app: App) -> str:
    """Return the id of somebody's acting for an app."""
    return str(derived_id(app.id, "collaborator", account_id))


def collaborator(of: Member, app: App) -> Json:
    """Return somebody who may act on an app, through its organization."""
    names = ROLE_PERMISSIONS[min(of.role, max(ROLE_PERMISSIONS))]
    return {
        "id": collaborator_id(of.account.id, app),
        "app": app_ref(app),
        "created_at": time(of.since),
        "permissions": [{"name": name, "description": ""} for name in names],
        "role": ROLE_WORDS[of.role],
        "updated_at": time(of.since),
        "user": {"id": str(of.account.id), "email": of.account.email, "federated": False},
    }


def domain(app: App, hostname: str) -> Json:
    """Return the platform's own hostname of an app."""
    return {
        "id": str(derived_id(app.id, "domain", hostname)),
        "acm_status": None,
        "acm_status_reason": None,
        "app": app_ref(app),
        "cname": None,
        "created_at": time(app.created_at),
        "hostname": hostname,
        "kind": "heroku",
        "sni_endpoint": None,
        "status": "none",
        "updated_at": time(app.created_at),
    }


def masked(keys: Sequence[str]) -> Mapping[str, str]:
    """Return config vars without their values."""
    return dict.fromkeys(keys, MASK)
