"""Certificates of apps (https://devcenter.heroku.com/articles/platform-api-reference#sni-endpoint)."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from skypanel.domain.app import App
from skypanel.domain.certificate import Certificate
from skypanel.domain.uploaded_certificates import MAX_CHAIN, MAX_KEY
from skypanel.flow import certificates as certificates_flow
from skypanel.flow import domains as domains_flow
from skypanel.flow import uploaded_certificates
from web.api import apps
from web.api.bodies import Body
from web.api.calls import Call, Reply
from web.api.ranges import Page, paginate
from web.api.resources import certificates as resources


class Upload(Body):
    """A certificate with its chain, and its private key, both PEM."""

    certificate_chain: Annotated[str, Meta(max_length=MAX_CHAIN)]
    private_key: Annotated[str, Meta(max_length=MAX_KEY)]


class Refresh(Body):
    """What to do with the app's automatic certificates."""

    acm_refresh: bool


async def index(call: Call) -> Page:
    """List the certificates of an app: those that were uploaded, and those that the panel ordered for its domains."""
    app = await call.app()
    part = paginate(await uploaded_certificates.listed(call.panel, app), call.range, "name")
    return Page(await _shown(call, app, part.items), part.next)


async def add(call: Call, body: Upload) -> Reply:
    """Upload a certificate. It is shown for those of its names that are verified domains of the app."""
    app = await call.app()
    added = await uploaded_certificates.add(call.panel, app, call.account, chain=body.certificate_chain, key=body.private_key)
    return Reply(await _one_shown(call, app, added), 201)


async def show(call: Call) -> Reply:
    """Show a certificate, by its name or id."""
    app = await call.app()
    return Reply(await _one_shown(call, app, await _found(call, app)))


async def change(call: Call, body: Upload) -> Reply:
    """Replace an uploaded certificate."""
    app = await call.app()
    known = await _found(call, app)
    given = {"chain": body.certificate_chain, "key": body.private_key}
    changed = await uploaded_certificates.change(call.panel, app, known, call.account, **given)
    return Reply(await _one_shown(call, app, changed))


async def remove(call: Call) -> Reply:
    """Remove an uploaded certificate, and return its last state."""
    app = await call.app()
    known = await _found(call, app)
    last = await _one_shown(call, app, known)
    await uploaded_certificates.remove(call.panel, app, known, call.account)
    return Reply(last)


async def automatic(call: Call) -> Reply:
    """Show whether the panel orders certificates for the app's domains, as the app's `acm`."""
    return Reply(await apps.shown(call, await call.app()))


async def turn_on(call: Call) -> Reply:
    """Let the panel order certificates for the app's domains."""
    return Reply(await apps.shown(call, await uploaded_certificates.automate(call.panel, await call.app(), call.account, on=True)))


async def turn_off(call: Call) -> Reply:
    """Let the panel order no certificates for the app's domains, and remove those that it has ordered."""
    return Reply(await apps.shown(call, await uploaded_certificates.automate(call.panel, await call.app(), call.account, on=False)))


async def refresh(call: Call, body: Refresh) -> Reply:
    """Try failed orders again now, with `acm_refresh`."""
    app = await call.app()
    if body.acm_refresh:
        await uploaded_certificates.order_again(call.panel, app, call.account)
    return Reply(await apps.shown(call, app))


async def _found(call: Call, app: App) -> Certificate:
    return await uploaded_certificates.find(call.panel, app, call.params["certificate"])


async def _one_shown(call: Call, app: App, certificate: Certificate) -> resources.SniEndpoint:
    (shown,) = await _shown(call, app, [certificate])
    return shown


async def _shown(call: Call, app: App, found: Sequence[Certificate]) -> list[resources.SniEndpoint]:
    own = [each for each in await domains_flow.listed(call.panel, app) if each.is_verified]
    states = await certificates_flow.states(call.panel, [each.name for each in own])
    used = {each.name: known.id for each in own if (known := states[each.name].certificate)}
    return [
        resources.endpoint(
            app, each, call.panel.certificates.parties(each.chain), [domain for domain in own if used.get(domain.name) == each.id]
        )
        for each in found
    ]
