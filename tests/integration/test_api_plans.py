"""Plans by the API."""

import pytest

from skypanel.flow import plans
from skypanel.store import apps

GOLD = {"name": "Gold", "cpu_cores": "0.5", "memory_mib": 512, "max_dynos": 3, "hourly_price": "0.0300"}


async def named(api, name):
    return next((plan for plan in await api.get("/plans") if plan["name"] == name), None)


@pytest.mark.req("R9.1", "R9.3")
async def test_a_plan_is_made_changed_retired_restored_and_deleted(api, stage):
    made = await (await api.call("POST", "/plans", GOLD, status=201)).json()
    assert made == await named(api, "Gold") == await api.get("/plans/gold")
    assert (made["version"], made["monthly_price"], made["retired"]) == (1, "21.90", False)
    changed = await (await api.call("PATCH", "/plans/Gold", {"hourly_price": "0.0400"}, status=200)).json()
    assert (changed["version"], changed["hourly_price"], changed["memory_mib"]) == (2, "0.0400", 512)
    customer = await api.act_as(await stage.outsider())
    for act, shown in (("retire", None), ("restore", changed)):
        answer = await api.call("POST", f"/plans/Gold/actions/{act}", status=200)
        assert (await answer.json())["retired"] == (act == "retire")
        assert await named(customer, "Gold") == shown
    await api.call("DELETE", "/plans/Gold", status=200)
    assert await named(api, "Gold") is None


@pytest.mark.req("R9.2", "R9.4")
async def test_a_plan_in_use_stays_as_it_is_for_its_apps_and_is_not_deleted(api, stage, hello):
    await plans.move(stage.panel, hello, "Pro", stage.admin)
    await api.call("PATCH", "/plans/Pro", {"memory_mib": 4096}, status=200)
    async with stage.panel.transaction() as conn:
        assert (await apps.get(conn, hello.id)).plan.memory_mib == 2048
    refused = await api.call("DELETE", "/plans/Pro", status=409)
    assert "1 app is on it: hello (Main)" in (await refused.json())["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/plans", GOLD | {"name": "standard"}, 409),
        ("POST", "/plans", GOLD | {"name": "a b"}, 422),
        ("POST", "/plans", GOLD | {"hourly_price": "-1"}, 422),
        ("POST", "/plans", GOLD | {"hourly_price": 0.5}, 422),
        ("POST", "/plans", GOLD | {"memory_mib": 1}, 422),
        ("PATCH", "/plans/Nothing", {"memory_mib": 512}, 404),
        ("POST", "/plans/Standard/actions/retire", None, 409),
        ("DELETE", "/plans/Nothing", None, 404),
    ],
)
async def test_what_cannot_be_a_plan_is_refused(api, method, path, body, status):
    await api.call(method, path, body, status=status)
