"""Domains of apps (https://devcenter.heroku.com/articles/platform-api-reference#domain)."""

from collections.abc import Sequence

from skypanel.domain.app import App
from skypanel.domain.certificate import UNCERTIFIED
from skypanel.domain.domains import Domain, covers
from skypanel.domain.errors import Conflict, Invalid
from skypanel.flow import certificates, uploaded_certificates
from skypanel.flow import domains as domains_flow
from web.api.bodies import Body, Text
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.resources import domains as resources


class NewDomain(Body):
    """A new domain."""

    hostname: Text
    sni_endpoint: Text | None = None


class DomainChange(Body):
    """A change of a domain."""

    sni_endpoint: Text | None


async def index(call: Call) -> Page:
    """List the hostnames of an app: the one on the panel's domain, and its own domains."""
    app = await call.app()
    own = await _all_shown(call, app, await domains_flow.listed(call.panel, app))
    return paginate([resources.default(app, call.panel.address), *own], call.range, "hostname")


async def create(call: Call, body: NewDomain) -> Reply:
    """Claim a domain for an app. A warning says which TXT record proves it, and another which CNAME record lets a wildcard be certified."""
    app = await call.app()
    await _check_certificate(call, app, body.hostname, body.sni_endpoint)
    domain = await domains_flow.add(call.panel, app, body.hostname, call.account)
    call.warn(f"To prove that {domain.name} is yours, set this TXT record as well: {domain.challenge} with the value {domain.token}")
    if domain.is_wildcard:
        target = domain.delegated_to(call.panel.address.domain)
        call.warn(f"For a certificate of {domain.name}, set this CNAME record as well: {domain.acme_challenge} with the value {target}")
    return Reply(await _shown(call, app, domain), 201)


async def show(call: Call) -> Reply:
    """Show a domain, by its hostname or id."""
    app = await call.app()
    if _is_default(call, app):
        return Reply(resources.default(app, call.panel.address))
    return Reply(await _shown(call, app, await domains_flow.find(call.panel, app, call.params["domain"])))


async def change(call: Call, body: DomainChange) -> Reply:
    """Check that a certificate is for a domain. The panel shows an uploaded one for each domain that it names."""
    app = await call.app()
    domain = await domains_flow.find(call.panel, app, call.params["domain"])
    await _check_certificate(call, app, domain.name, body.sni_endpoint)
    return Reply(await _shown(call, app, domain))


async def remove(call: Call) -> Reply:
    """Remove a domain, and return its last state."""
    app = await call.app()
    if _is_default(call, app):
        raise Conflict(f"{call.panel.address.host(app.name)} comes with the app.", "It cannot be removed.")
    domain = await domains_flow.find(call.panel, app, call.params["domain"])
    last = await _shown(call, app, domain)
    await domains_flow.remove(call.panel, app, domain, call.account)
    return Reply(last)


async def check(call: Call) -> Reply:
    """Check a domain in DNS now."""
    app = await call.app()
    domain = await domains_flow.find(call.panel, app, call.params["domain"])
    return Reply(await _shown(call, app, await domains_flow.check(call.panel, app, domain, call.account)))


async def _shown(call: Call, app: App, domain: Domain) -> resources.Domain:
    (shown,) = await _all_shown(call, app, [domain])
    return shown


async def _all_shown(call: Call, app: App, found: Sequence[Domain]) -> list[resources.Domain]:
    known = await certificates.states(call.panel, [each.name for each in found if each.is_verified])
    return [resources.domain(app, each, known.get(each.name, UNCERTIFIED), call.panel.address) for each in found]


def _is_default(call: Call, app: App) -> bool:
    own = resources.default(app, call.panel.address)
    return call.params["domain"] in {own.id, own.hostname}


async def _check_certificate(call: Call, app: App, hostname: str, name: str | None) -> None:
    """Raise NotFound for a certificate that the app does not have, and Invalid for one of another domain."""
    if name is not None:
        found = await uploaded_certificates.find(call.panel, app, name)
        if not covers(found.facts.names, hostname):
            raise Invalid(f"{found.name} is for {', '.join(found.facts.names)}.", "Upload one for this domain.")
