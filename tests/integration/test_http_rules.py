"""How requests to an app are served: what it chooses, and what the proxy is told."""

import pytest

from skypanel.domain.errors import Invalid
from skypanel.domain.http_rules import HttpRules, OwnHttpRules
from skypanel.flow import http_rules, route
from skypanel.flow import settings as settings_flow


async def told(stage):
    (routed,) = (await route.active(stage.panel)).routes
    return routed.rules


async def test_an_app_follows_the_panels_settings_until_it_chooses(stage, app):
    assert await told(stage) == HttpRules()
    changes = {"first_byte_timeout_s": "30", "idle_timeout_s": "55", "hsts_max_age_s": "3600"}
    await settings_flow.change(stage.panel, stage.admin, changes)
    assert await told(stage) == HttpRules(30, 55, None, 3600)
    chosen = await http_rules.choose(stage.panel, app, OwnHttpRules(7, None, https_redirect=False), stage.admin)
    rules = HttpRules(7, 55, https_redirect=False, hsts_max_age_s=3600)
    assert await told(stage) == await http_rules.in_force(stage.panel, chosen.http) == rules
    await http_rules.choose(stage.panel, app, OwnHttpRules(), stage.admin)
    assert await told(stage) == HttpRules(30, 55, None, 3600)


async def test_a_timeout_is_between_a_second_and_a_day(stage, app):
    for wrong in (0, -1, 86_401):
        with pytest.raises(Invalid):
            await http_rules.choose(stage.panel, app, OwnHttpRules(idle_timeout_s=wrong), stage.admin)
    for key, wrong in (("idle_timeout_s", "0"), ("first_byte_timeout_s", "86401"), ("hsts_max_age_s", "-1"), ("hsts_max_age_s", "1e3")):
        with pytest.raises(Invalid, match=key):
            await settings_flow.change(stage.panel, stage.admin, {key: wrong})
    assert await told(stage) == HttpRules()
