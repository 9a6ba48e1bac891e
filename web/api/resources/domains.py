"""Hostnames of apps."""

from typing import Literal

from skypanel.domain.app import App
from skypanel.domain.domains import Domain as Known
from skypanel.domain.domains import DomainState
from skypanel.domain.identity import derived_id
from skypanel.domain.routing import Address
from web.api.resources.apps import app_ref
from web.api.resources.common import Id, Named, Resource, Time, time

Status = Literal["pending", "failed", "succeeded", "none"]
# The CLI waits while a domain is pending.
_STATUS: dict[DomainState, Status] = {
    DomainState.PENDING: "pending",
    DomainState.FAILED: "failed",
    DomainState.VERIFIED: "succeeded",
    DomainState.ACTIVE: "succeeded",
    DomainState.LOST: "succeeded",
}


class Domain(Resource, kw_only=True):
    """A hostname of an app."""

    id: Id
    acm_status: str | None = None
    acm_status_reason: str | None = None
    app: Named
    cname: str | None = None
    created_at: Time
    hostname: str
    kind: Literal["heroku", "custom"]
    sni_endpoint: None = None
    status: Status
    updated_at: Time


def default(of: App, address: Address) -> Domain:
    """Return an app's hostname on the panel's domain."""
    made, host = time(of.created_at), address.host(of.name)
    identifier = str(derived_id(of.id, "domain", host))
    return Domain(id=identifier, app=app_ref(of), created_at=made, hostname=host, kind="heroku", status="none", updated_at=made)


def domain(of: App, found: Known, address: Address) -> Domain:
    """Return an app's own domain. `acm_status_reason` is what its owner should do something about."""
    return Domain(
        id=str(found.id),
        acm_status_reason=found.problem,
        app=app_ref(of),
        cname=address.host(of.name),
        created_at=time(found.created_at),
        hostname=found.name,
        kind="custom",
        status=_STATUS[found.state],
        updated_at=time(found.checked_at or found.created_at),
    )
