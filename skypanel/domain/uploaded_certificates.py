"""Uploaded certificates: what may be uploaded, and when a proxy may show it.

A proxy picks a certificate by the names in it alone. So one is given to the proxies only while none of its names is somebody else's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from skypanel.domain.certificate import Facts
from skypanel.domain.domains import check_name, covers, is_of_panel
from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AppId, CertificateId, OrganizationId

MAX_NAMES = 100
MAX_CHAIN = 100_000
MAX_KEY = 20_000


@dataclass(frozen=True)
class UploadedCertificate:
    """An uploaded certificate, and whose it is."""

    id: CertificateId
    app_id: AppId
    organization_id: OrganizationId
    names: tuple[str, ...]
    not_after: datetime


@dataclass(frozen=True)
class Holder:
    """The app that has proved a name, and its organization."""

    name: str
    app_id: AppId
    organization_id: OrganizationId


def check_size(chain: str, key: str) -> None:
    """Raise Invalid for what is too long to be a certificate with its chain, or a key."""
    if len(chain) > MAX_CHAIN:
        raise Invalid("The chain is too long.", f"Give the certificate and its chain alone, up to {MAX_CHAIN} characters.")
    if len(key) > MAX_KEY:
        raise Invalid("The private key is too long.", f"Give one key, up to {MAX_KEY} characters.")


def check(facts: Facts, panel_domain: str, now: datetime) -> None:
    """Raise Invalid for a certificate that browsers would refuse now, or that has names which no app can have."""
    if facts.not_after <= now:
        raise Invalid(f"This certificate expired on {facts.not_after:%Y-%m-%d}.", "Get a new one from whoever issued it.")
    if facts.not_before > now:
        raise Invalid(f"This certificate is not valid before {facts.not_before:%Y-%m-%d %H:%M} UTC.", "Upload it then.")
    if len(facts.names) > MAX_NAMES:
        raise Invalid(f"This certificate has {len(facts.names)} names.", f"Get one with up to {MAX_NAMES}.")
    for name in facts.names:
        try:
            check_name(name, panel_domain)
        except Invalid as error:
            raise Invalid(f"This certificate cannot be served: {error.message}", "Get one for the app's own domains alone.") from None


def is_served(certificate: UploadedCertificate, holders: Sequence[Holder], panel_domain: str) -> bool:
    """Whether the proxies may show a certificate: it is for a name that its app has proved, and for nobody else's.

    `holders` are those of all names that it covers. A wildcard may cover names of the same organization's other apps.
    """
    if any(is_of_panel(name, panel_domain) for name in certificate.names):
        return False
    covered = [each for each in holders if covers(certificate.names, each.name)]
    return any(each.app_id == certificate.app_id for each in covered) and not any(_is_foreign(certificate, each) for each in covered)


def _is_foreign(certificate: UploadedCertificate, holder: Holder) -> bool:
    is_of_others = holder.organization_id != certificate.organization_id
    return holder.app_id != certificate.app_id and (is_of_others or holder.name in certificate.names)
