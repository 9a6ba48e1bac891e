"""What scripts and clients made for Heroku say: taken for what is equal here, else warned of, and gone on with."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from skypanel.domain.access import Role
from skypanel.store import organizations
from skypanel.store.tables.builds import builds as builds_table
from tests.fakes.logs import MARK
from web.api.resources.common import NOBODY

HEADERS = ("Warning-Message", "X-Heroku-Warning")
SIZES = ("standard-2x", "Standard-2X", "2X", "PX", "eco", "basic", "hobby", "free", "performance-m", "performance-l-ram", "private-s")


async def warned(api, method, path, body, status):
    """Return what an answer warns of, the same in each header, and its body."""
    response = await api.call(method, path, body, status=status)
    texts = {response.headers.get(name) for name in HEADERS}
    assert len(texts) == 1
    return texts.pop(), await response.json()


@pytest.mark.parametrize("path", ["/apps", "/teams/apps"])
@pytest.mark.parametrize("stack", ["heroku-22", "heroku-26", "cedar", "cedar-14", "container"])
async def test_an_app_is_made_wherever_a_script_wants_it(api, path, stack):
    body = {"name": "made", "region": "eu", "stack": stack} | ({"team": "Main"} if path == "/teams/apps" else {})
    warning, made = await warned(api, "POST", path, body, 201)
    assert (made["region"]["name"], made["stack"]["name"], made["build_stack"]["name"]) == ("local", "heroku-24", "heroku-24")
    assert "one region, local: it is taken for eu." in warning
    assert f"one stack, heroku-24: it is taken for {stack}." in warning


async def test_what_is_equal_is_not_warned_of(api):
    for body in ({"region": None, "stack": None}, {"region": "local", "stack": "heroku-24"}):
        assert (await warned(api, "POST", "/apps", body, 201))[0] is None


async def test_what_heroku_has_not_either_is_refused(api, hello):
    for path, body in (
        ("/apps", {"region": "moon"}),
        ("/apps", {"stack": "heroku-1"}),
        ("/apps/hello/dynos", {"command": "true", "size": "standard-3x"}),
    ):
        assert (await warned(api, "POST", path, body, 422))[0] is None


async def test_a_stack_that_is_set_is_warned_of(api, hello):
    warning, shown = await warned(api, "PATCH", "/apps/hello", {"build_stack": "heroku-22"}, 200)
    assert "taken for heroku-22" in warning
    assert shown["build_stack"]["name"] == "heroku-24"


@pytest.mark.parametrize("size", SIZES)
async def test_dynos_have_their_plans_size_whatever_a_script_wants(api, hello, size):
    warning, changed = await warned(api, "PATCH", "/apps/hello/formation", {"updates": [{"type": "web", "quantity": 2, "size": size}]}, 200)
    assert warning == f"All dynos of hello have the size of its plan, Standard: it is taken for {size.lower()}."
    assert {(one["type"], one["quantity"], one["size"]) for one in changed} == {("web", 2, "Standard"), ("worker", 0, "Standard")}
    warning, changed = await warned(api, "PATCH", "/apps/hello/formation/web", {"size": size}, 200)
    assert "it is taken for" in warning
    assert (changed["quantity"], changed["size"]) == (2, "Standard")


async def test_a_deploy_branch_is_chosen_with_the_other_changes_or_none_of_them(api, hello):
    for name in ("a..b", "-x", "x;reboot", "$(id)", "ü", "a" * 201):
        await api.call("PATCH", "/apps/hello", {"name": "renamed", "deploy_branch": name}, status=422)
    assert (await api.get("/apps/hello"))["deploy_branch"] is None
    for sent, shown in (("refs/heads/team/release-1", "team/release-1"), (None, None)):
        answer = await api.call("PATCH", "/apps/hello", {"deploy_branch": sent}, status=200)
        assert (await answer.json())["deploy_branch"] == shown


async def test_the_http_rules_of_an_app_are_changed_one_by_one_and_null_returns_to_the_panels(api, hello):
    follows = {"first_byte_timeout_s": None, "idle_timeout_s": None, "https_redirect": None}
    in_force = {"in_force": {"first_byte_timeout_s": 600, "idle_timeout_s": 600}}
    assert await api.get("/apps/hello/http-rules") == follows | in_force
    for change in ({"first_byte_timeout_s": 30}, {"https_redirect": True}):
        answer = await api.call("PATCH", "/apps/hello/http-rules", change, status=200)
    assert await answer.json() == {
        "first_byte_timeout_s": 30, "idle_timeout_s": None, "https_redirect": True,
        "in_force": {"first_byte_timeout_s": 30, "idle_timeout_s": 600},
    }  # fmt: skip
    for wrong in ({"idle_timeout_s": 0}, {"idle_timeout_s": 86_401}, {"idle_timeout_s": "55"}, {"https_redirect": "yes"}):
        await api.call("PATCH", "/apps/hello/http-rules", wrong, status=422)
    await api.call("PATCH", "/apps/hello/http-rules", {"first_byte_timeout_s": None, "https_redirect": None}, status=200)
    assert await api.get("/apps/hello/http-rules") == follows | in_force


async def test_maintenance_may_be_said_by_a_number(api, hello):
    for said, on in ((1, True), (0, False)):
        shown = await (await api.call("PATCH", "/apps/hello", {"maintenance": said}, status=200)).json()
        assert shown["maintenance"] is on


async def test_an_app_is_not_locked_and_that_is_said(api, hello):
    warning, shown = await warned(api, "PATCH", "/teams/apps/hello", {"locked": True}, 200)
    assert warning.startswith("hello cannot be locked: ")
    assert shown["locked"] is False
    assert (await warned(api, "PATCH", "/teams/apps/hello", {"locked": False}, 200))[0] is None
    assert (await api.get("/teams/apps/hello"))["locked"] is False


async def test_the_lines_of_the_platform_are_those_of_heroku(api, hello, stage):
    stage.panel.logs.add(hello, "web.1", "of the app")
    stage.panel.logs.add(hello, "web.1", f"{MARK}of the platform")
    for source, text in (("heroku", "of the platform"), ("skypanel", "of the platform"), ("app", "of the app")):
        made = await (await api.call("POST", "/apps/hello/log-sessions", {"source": source, "lines": 10}, status=201)).json()
        lines = (await (await api.call("GET", made["logplex_url"].removeprefix("https://localhost:8443"))).text()).splitlines()
        assert [line.split(": ")[-1] for line in lines][-1:] == [text]
        assert ("of the app" in lines[-1]) == (source == "app")


async def test_roles_have_herokus_words_both_ways(api, stage):
    viewer = await stage.member(Role.VIEWER)
    shown = {each["email"]: each["role"] for each in await api.get("/teams/Main/members")}
    assert shown == {stage.admin.email: "owner", viewer.email: "collaborator"}
    for word, role in (("member", Role.DEVELOPER), ("collaborator", Role.VIEWER)):
        changed = await (await api.call("PATCH", "/teams/Main/members", {"email": viewer.email, "role": word}, status=200)).json()
        assert changed["role"] == word
        async with stage.panel.transaction() as conn:
            main = (await organizations.of(conn, viewer.id))[0]
            assert await organizations.role(conn, main.id, viewer.id) == role


async def test_a_build_changed_last_when_it_ended(api, hello, stage):
    async with stage.panel.transaction() as conn:
        await conn.execute(update(builds_table).values(finished_at=builds_table.c.created_at + timedelta(hours=1)))
    for build in await api.get("/apps/hello/builds"):
        made, changed = (datetime.fromisoformat(build[name]) for name in ("created_at", "updated_at"))
        assert changed - made == timedelta(hours=1)


async def test_who_is_nobody_or_gone_is_shown_as_somebody(api, stage):
    await stage.app("empty")
    [release] = await api.get("/apps/empty/releases")
    assert release["user"] == {"id": NOBODY.id, "email": "nobody@skypanel.invalid"}
