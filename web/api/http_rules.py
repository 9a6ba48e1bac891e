"""How requests to an app are served."""

from dataclasses import replace
from typing import Annotated

from msgspec import UNSET, Meta, structs

from skypanel.domain.http_rules import MAX_TIMEOUT_S, OwnHttpRules
from skypanel.flow import http_rules
from web.api.bodies import Body, Maybe
from web.api.calls import Call, Reply
from web.api.resources.apps import HttpRules, Timeouts

Timeout = Annotated[int, Meta(ge=1, le=MAX_TIMEOUT_S)]


class HttpRulesChange(Body):
    """Changes of the rules; null returns to the panel's settings."""

    first_byte_timeout_s: Maybe[Timeout | None] = UNSET
    idle_timeout_s: Maybe[Timeout | None] = UNSET
    https_redirect: Maybe[bool | None] = UNSET


async def show(call: Call) -> Reply:
    """Show how requests to an app are served."""
    return await _shown(call, (await call.app()).http)


async def change(call: Call, body: HttpRulesChange) -> Reply:
    """Change how requests to an app are served."""
    app = await call.app()
    changes = {name: value for name, value in structs.asdict(body).items() if value is not UNSET}
    changed = await http_rules.choose(call.panel, app, replace(app.http, **changes), call.account)
    return await _shown(call, changed.http)


async def _shown(call: Call, own: OwnHttpRules) -> Reply:
    in_force = await http_rules.in_force(call.panel, own)
    timeouts = Timeouts(first_byte_timeout_s=int(in_force.first_byte_timeout_s), idle_timeout_s=int(in_force.idle_timeout_s))
    return Reply(HttpRules(own.first_byte_timeout_s, own.idle_timeout_s, own.https_redirect, timeouts))
