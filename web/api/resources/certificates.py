"""Certificates of apps, as SNI endpoints."""

from collections.abc import Sequence

from skypanel.domain.app import App
from skypanel.domain.certificate import Certificate, Parties, Source
from skypanel.domain.domains import Domain
from skypanel.domain.identity import derived_id
from web.api.resources.apps import app_ref
from web.api.resources.common import Id, Named, Resource, Time, time


class SslCert(Resource, kw_only=True, rename={"is_ca_signed": "ca_signed?", "is_self_signed": "self_signed?"}):
    """A certificate. `acm` is whether the panel ordered it."""

    acm: bool
    is_ca_signed: bool
    cert_domains: Sequence[str]
    expires_at: Time
    id: Id
    issuer: str
    is_self_signed: bool
    starts_at: Time
    subject: str


class SniEndpoint(Resource, kw_only=True):
    """A certificate of an app, and the ids of the domains that it is shown for."""

    app: Named
    created_at: Time
    display_name: None = None
    domains: Sequence[Id]
    id: Id
    name: str
    ssl_cert: SslCert
    updated_at: Time


def endpoint(of: App, found: Certificate, parties: Parties, shown_for: Sequence[Domain]) -> SniEndpoint:
    """Return a certificate of an app."""
    return SniEndpoint(
        app=app_ref(of),
        created_at=time(found.created_at),
        domains=[str(each.id) for each in shown_for],
        id=str(found.id),
        name=found.name,
        ssl_cert=_certificate(found, parties),
        updated_at=time(found.updated_at or found.created_at),
    )


def _certificate(found: Certificate, parties: Parties) -> SslCert:
    return SslCert(
        acm=found.source is Source.ACME,
        is_ca_signed=parties.is_trusted,
        cert_domains=list(found.facts.names),
        expires_at=time(found.facts.not_after),
        id=str(derived_id(found.id, "certificate", found.facts.serial)),
        issuer=parties.issuer,
        is_self_signed=parties.issuer == parties.subject,
        starts_at=time(found.facts.not_before),
        subject=parties.subject,
    )
