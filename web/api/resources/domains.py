"""Hostnames of apps."""

from typing import Literal

from skypanel.domain.app import App
from skypanel.domain.certificate import CertificateState, NameCertificate
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
AcmStatus = Literal["pending", "failed", "failing", "dns-verified", "verified", "cert issued"]
# Heroku's words. The CLI waits until each domain has a certificate or has failed; what fails is tried again here, so it is `failing`.
_ACM_STATUS: dict[CertificateState, AcmStatus] = {
    CertificateState.ISSUING: "verified",
    CertificateState.ACTIVE: "cert issued",
    CertificateState.EXPIRING: "cert issued",
    CertificateState.EXPIRED: "failing",
    CertificateState.FAILED: "failing",
}


class Domain(Resource, kw_only=True):
    """A hostname of an app."""

    id: Id
    acm_status: AcmStatus | None = None
    acm_status_reason: str | None = None
    app: Named
    cname: str | None = None
    created_at: Time
    hostname: str
    kind: Literal["heroku", "custom"]
    sni_endpoint: Named | None = None
    status: Status
    updated_at: Time


def default(of: App, address: Address) -> Domain:
    """Return an app's hostname on the panel's domain."""
    made, host = time(of.created_at), address.host(of.name)
    identifier = str(derived_id(of.id, "domain", host))
    return Domain(id=identifier, app=app_ref(of), created_at=made, hostname=host, kind="heroku", status="none", updated_at=made)


def domain(of: App, found: Known, certificate: NameCertificate, address: Address) -> Domain:
    """Return an app's own domain. `acm_status_reason` is what its owner should do something about, or why it has no certificate."""
    return Domain(
        id=str(found.id),
        acm_status=_acm_status(of, found, certificate),
        acm_status_reason=found.problem or certificate.problem or None,
        app=app_ref(of),
        cname=address.host(of.name),
        created_at=time(found.created_at),
        hostname=found.name,
        kind="custom",
        sni_endpoint=Named(id=str(shown.id), name=shown.name) if (shown := certificate.certificate) else None,
        status=_STATUS[found.state],
        updated_at=time(found.checked_at or found.created_at),
    )


def _acm_status(of: App, found: Known, certificate: NameCertificate) -> AcmStatus | None:
    if certificate.state in _ACM_STATUS:
        return _ACM_STATUS[certificate.state]
    return _without_certificate(found) if of.automatic_certificates else None


def _without_certificate(found: Known) -> AcmStatus:
    if found.state is DomainState.FAILED:
        return "failed"
    if found.state is DomainState.ACTIVE:
        return "dns-verified"
    return "failing" if found.is_verified and found.problem else "pending"
