"""The API's shapes and rules, over a real database."""

import asyncio
import logging
from base64 import b64encode
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import func, update

from skypanel.domain.access import Role
from skypanel.domain.log import LogLine, Source
from skypanel.domain.rate import COST, REQUESTS, WINDOW
from skypanel.flow import accounts, passwords
from skypanel.flow.digest import digest
from skypanel.store import apps, audit, collaborators, config_vars, organizations, releases, slugs
from skypanel.store.tables.accounts import tokens as tokens_table
from tests.fixtures.api import Api
from tests.fixtures.web import SETTINGS
from tests.support import factories
from tests.support.crowd import crowd
from tests.support.statements import Counting
from web.app import create_app

PASSWORD = "correct horse battery staple"


async def test_whoami_by_each_kind_of_credentials(api, stage):
    assert (await api.get("/account"))["email"] == stage.admin.email
    basic = b64encode(f":{api.token}".encode()).decode()
    assert (await api.get("/account", Authorization=f"Basic {basic}"))["email"] == stage.admin.email
    for nothing in ("", "Bearer", "Bearer wrong", "Basic", "Basic %%", "Digest x", "Bearer \t"):
        body = await api.get("/account", 401, Authorization=nothing)
        assert body["id"] == "unauthorized"
        assert "heroku login" in body["message"]


async def test_every_answer_has_an_id_and_says_what_is_left(api):
    first = await api.call("GET", "/account")
    second = await api.call("GET", "/account")
    assert first.headers["Request-Id"] != second.headers["Request-Id"]
    assert int(first.headers["RateLimit-Remaining"]) - int(second.headers["RateLimit-Remaining"]) == 1
    assert (await api.call("GET", "/nothing")).status == 404


async def test_a_token_is_good_for_so_many_calls_at_once(api, stage):
    async with stage.panel.transaction() as conn:
        used_up = func.now() + WINDOW + REQUESTS * COST
        await conn.execute(update(tokens_table).where(tokens_table.c.digest == digest(api.token)).values(busy_until=used_up))
    response = await api.call("GET", "/account", status=429)
    assert (await response.json())["id"] == "rate_limit"
    assert response.headers["RateLimit-Remaining"] == "0"
    assert (await (await api.act_as(stage.admin)).call("GET", "/account")).status == 200


async def test_a_revoked_and_an_expired_token_are_worth_nothing(api, stage):
    other = await api.act_as(stage.admin)
    ids = [
        token["id"]
        for token in await api.get("/oauth/authorizations")
        if token["description"] == "test" and token["access_token"]["token"] == ""
    ]
    await api.call("DELETE", f"/oauth/authorizations/{ids[-1]}", status=200)
    await api.get(f"/oauth/authorizations/{ids[-1]}", 404)
    assert (await other.call("GET", "/account")).status == 401
    other.token = await accounts.add_token(stage.panel, stage.admin, "short", life=timedelta(seconds=-1))
    assert (await other.call("GET", "/account")).status == 401


async def test_logging_in_by_password_and_out(api, stage):
    await passwords.reset(stage.panel, stage.admin, PASSWORD)
    basic = b64encode(f"{stage.admin.email}:{PASSWORD}".encode()).decode()
    body = {"scope": ["global"], "description": "login", "expires_in": 60}
    made = await (await api.call("POST", "/oauth/authorizations", body, status=201, Authorization=f"Basic {basic}")).json()
    assert made["user"]["email"] == stage.admin.email
    api.token = made["access_token"]["token"]
    assert [token["access_token"]["token"] for token in await api.get("/oauth/authorizations")].count(api.token) == 1
    await api.get("/oauth/authorizations/~", 404)
    await api.call("DELETE", "/oauth/sessions/~", status=200)
    await api.get("/account", 401)
    wrong = b64encode(f"{stage.admin.email}:wrong".encode()).decode()
    assert (await api.call("POST", "/oauth/authorizations", body, Authorization=f"Basic {wrong}")).status == 403


async def test_an_app_from_its_making_to_its_end(api, stage):
    made = await (await api.call("POST", "/apps", {"name": "hello"}, status=201)).json()
    assert (made["name"], made["git_url"], made["owner"]["email"]) == ("hello", "https://localhost:8443/hello.git", stage.admin.email)
    assert (await api.get(f"/apps/{made['id']}")) == made
    unnamed = await (await api.call("POST", "/apps", {}, status=201)).json()
    assert {app["name"] for app in await api.get("/apps")} == {"hello", unnamed["name"]}
    assert (await api.call("POST", "/apps", {"name": "hello"})).status == 409
    assert (await api.call("POST", "/apps", {"name": "other", "region": "moon"})).status == 422
    assert [domain["hostname"] for domain in await api.get("/apps/hello/domains")] == ["hello.localhost"]
    assert [one["role"] for one in await api.get("/apps/hello/collaborators")] == ["owner"]
    await api.call("DELETE", "/apps/hello", status=200)
    await api.get("/apps/hello", 404)


async def test_each_write_is_on_record_with_where_it_came_from(api, stage):
    await api.call("POST", "/apps", {"name": "hello"}, X_Forwarded_For="6.6.6.6, 192.0.2.7")
    async with stage.panel.transaction() as conn:
        entry = (await audit.recent(conn, 1))[0]
    assert (entry.action, entry.email, entry.app_name, entry.origin) == ("app.create", stage.admin.email, "hello", "api 192.0.2.7")


@pytest.mark.req("R12.2")
async def test_no_answer_ever_has_a_value(api, hello, stage, caplog):
    caplog.set_level(logging.DEBUG)
    secret = "hunter2-and-more"
    for method, path, body in [
        ("PATCH", "/apps/hello/config-vars", {"SECRET": secret, "OTHER": "one"}),
        ("PATCH", "/apps/hello/config-vars", {"SECRET": None, "GONE": None, "SECRET2": secret}),
        ("GET", "/apps/hello/config-vars", None),
        ("GET", "/apps/hello/releases", None),
        ("GET", "/apps/hello/releases/2/config-vars", None),
        ("PATCH", "/apps/hello/config-vars", {"bad key": secret}),
        ("PATCH", "/apps/hello/config-vars", {"SECRET": [secret]}),
        ("PATCH", "/apps/hello/config-vars", {"SECRET": f"{secret}\0"}),
        ("PATCH", "/apps/hello/config-vars", {"SECRET": secret * 10_000}),
        ("PUT", "/apps/hello/config-vars", {"SECRET": secret}),
        ("POST", "/apps/hello/dynos", {"command": "true", "env": {"bad key": secret}}),
        ("POST", "/apps/hello/dynos", {"command": "true", "env": {"KEY": [secret]}}),
        ("POST", "/apps/hello/dynos", {"command": "true", "env": {"KEY": f"{secret}\0"}}),
        ("PATCH", "/account", {"password": secret, "new_password": "short"}),
        ("PATCH", "/account", {"password": [secret], "new_password": secret}),
    ]:
        response = await api.call(method, path, body)
        assert response.status < 500
        assert secret not in await response.text()
    assert secret not in caplog.text
    response = await api.call("GET", "/apps/hello/config-vars")
    assert await response.json() == {"OTHER": "********", "SECRET2": "********"}
    assert "never shown" in response.headers["Warning-Message"]
    async with stage.panel.transaction() as conn:
        head = await config_vars.head(conn, hello.id)
    assert stage.panel.cipher.decrypt(head.secrets["SECRET2"]) == secret


async def test_no_command_of_the_heroku_cli_hands_a_mask_on_as_a_value(api, hello):
    cli = {"User_Agent": "heroku-cli/11.10.0 linux-x64"}
    assert await api.get("/apps/hello/config-vars", **cli) == {}
    await api.call("PATCH", "/apps/hello/config-vars", {"SECRET": "one", "GREETING": "hi"}, status=200, **cli)
    refused = await (await api.call("GET", "/apps/hello/config-vars", status=422, **cli)).json()
    assert "hello has GREETING, SECRET; to list them masked, run: skypanel heroku config -a hello" in refused["message"]
    assert await api.get("/apps/hello/config-vars", Config_Vars="masked", **cli) == {"GREETING": "********", "SECRET": "********"}


async def test_who_sets_a_name_that_does_not_just_reach_the_app_is_warned(api, hello):
    response = await api.call("PATCH", "/apps/hello/config-vars", {"LD_PRELOAD": "x.so", "1FOO": "x"}, status=200)
    warning = response.headers["Warning-Message"]
    assert "LD_PRELOAD changes how every program in a dyno is loaded" in warning
    assert "1FOO starts with a digit" in warning
    response = await api.call("PATCH", "/apps/hello/config-vars", {"http_proxy": "x"}, status=422)
    assert "Set HTTP_PROXY instead" in (await response.json())["message"]


async def test_the_mask_is_not_taken_for_a_value(api, hello, stage):
    await api.call("PATCH", "/apps/hello/config-vars", {"SECRET": "one"}, status=200)
    response = await api.call("PATCH", "/apps/hello/config-vars", {"SECRET": "********", "OTHER": "two"}, status=422)
    assert "SECRET" in (await response.json())["message"]
    assert await api.get("/apps/hello/config-vars") == {"SECRET": "********"}


async def test_the_formation_is_scaled_all_or_none(api, hello, stage):
    assert {one["type"]: one["quantity"] for one in await api.get("/apps/hello/formation")} == {"web": 1, "worker": 0}
    updates = {"updates": [{"type": "web", "quantity": "+1"}, {"type": "worker", "quantity": 2, "size": "standard"}]}
    changed = await (await api.call("PATCH", "/apps/hello/formation", updates, status=200)).json()
    assert {one["type"]: one["quantity"] for one in changed} == {"web": 2, "worker": 2}
    await stage.work()
    assert [dyno["name"] for dyno in await api.get("/apps/hello/dynos")] == ["web.1", "web.2", "worker.1", "worker.2"]
    for bad in ("-5", "x", "", "+", "999999999999", -1, 11, True, 1.5, None):
        updates = {"updates": [{"type": "worker", "quantity": 0}, {"type": "web", "quantity": bad}]}
        assert (await api.call("PATCH", "/apps/hello/formation", updates)).status == 422, bad
    for bad in ({"type": "nothing", "quantity": 1}, {"type": "release", "quantity": 1}):
        assert (await api.call("PATCH", "/apps/hello/formation", {"updates": [bad]})).status == 404
    assert (await api.call("PATCH", "/apps/hello/formation/web", {"size": "Enormous"})).status == 422
    assert {one["type"]: one["quantity"] for one in await api.get("/apps/hello/formation")} == {"web": 2, "worker": 2}


async def test_writers_of_one_formation_at_once_all_count(api, hello, stage):
    body = {"updates": [{"type": "worker", "quantity": "+1"}]}
    answers = await asyncio.gather(*(api.call("PATCH", "/apps/hello/formation", body) for _ in range(5)))
    assert [answer.status for answer in answers] == [200] * 5
    assert (await api.get("/apps/hello/formation/worker"))["quantity"] == 5


async def test_dynos_are_restarted(api, hello, stage):
    before = await api.get("/apps/hello/dynos/web.1")
    assert (before["state"], before["command"], before["release"]["version"]) == ("up", "serve", 1)
    await api.call("DELETE", "/apps/hello/dynos", status=202)
    await stage.work()
    assert (await api.get("/apps/hello/dynos/web.1"))["id"] != before["id"]
    for one in ("web.1", (await api.get("/apps/hello/dynos/web.1"))["id"]):
        since = stage.panel.scheduler.since(hello.id, "web.1")
        await api.call("DELETE", f"/apps/hello/dynos/{one}", status=202)
        assert stage.panel.scheduler.since(hello.id, "web.1") > since
    since = stage.panel.scheduler.since(hello.id, "web.1")
    await api.call("DELETE", "/apps/hello/formations/web", status=202)
    stopped = stage.panel.scheduler.since(hello.id, "web.1")
    await api.call("DELETE", "/apps/hello/dynos/web", status=202)
    assert stage.panel.scheduler.since(hello.id, "web.1") > stopped
    await api.call("POST", "/apps/hello/formations/web/actions/stop", status=202)
    await api.call("POST", "/apps/hello/dynos/web.1/actions/stop", status=202)
    assert stage.panel.scheduler.since(hello.id, "web.1") > since
    for path in ("dynos/web.9", "dynos/worker", "formations/nothing", "formations/run", "formations/worker"):
        await api.call("DELETE", f"/apps/hello/{path}", status=404)
        await api.call("POST", f"/apps/hello/{path}/actions/stop", status=404)


async def test_what_a_one_off_dyno_runs_is_shown_to_who_sees_the_app(api, hello, stage):
    made = await (await api.call("POST", "/apps/hello/dynos", {"command": "echo it; sleep 1000"}, status=201)).json()
    viewer = await api.act_as(await stage.member(Role.VIEWER), "read")
    shown = {dyno["name"]: dyno["command"] for dyno in await viewer.get("/apps/hello/dynos")}
    assert shown == {"web.1": "serve", made["name"]: "echo it; sleep 1000"}
    assert (await viewer.get(f"/apps/hello/dynos/{made['name']}"))["command"] == "echo it; sleep 1000"


async def test_releases_are_listed_shown_and_rolled_back_to(api, hello, stage):
    await api.call("PATCH", "/apps/hello/config-vars", {"ONE": "1"}, status=200)
    await stage.work()
    response = await api.call("GET", "/apps/hello/releases", status=206, Range="version ..; order=desc,max=1")
    assert [(one["version"], one["current"], one["user"]["email"]) for one in await response.json()] == [(2, True, stage.admin.email)]
    following = await api.call("GET", "/apps/hello/releases", status=200, Range=response.headers["Next-Range"])
    assert [one["version"] for one in await following.json()] == [1]
    first = await api.get("/apps/hello/releases/v1")
    assert first == await api.get(f"/apps/hello/releases/{first['id']}")
    made = await (await api.call("POST", "/apps/hello/releases", {"release": first["id"]}, status=201)).json()
    assert (made["version"], made["status"], made["description"]) == (3, "pending", "Rollback to v1")
    await stage.work()
    for bad in (99, "v99", "x", 0, "0" * 30, hello.id.hex):
        assert (await api.call("POST", "/apps/hello/releases", {"release": bad})).status in {404, 422}, bad


async def test_an_app_that_has_nothing_yet_has_something_in_place_of_a_release(api, stage):
    await stage.app("empty")
    assert [(one["version"], one["slug"]) for one in await api.get("/apps/empty/releases", Range="version ..; order=desc,max=1")] == [
        (0, None)
    ]


async def test_the_output_of_a_release_is_read_by_its_url_alone(api, hello):
    url = (await api.get("/apps/hello/releases/1"))["output_stream_url"]
    path = url.removeprefix("https://localhost:8443")
    api.token, token = None, api.token
    assert "Launching" in await (await api.call("GET", path, status=200)).text()
    for bad in (path[:-1], f"{path[:-1]}0", path.replace("/releases/", "/logs/"), "/streams/releases/x.y", "/streams/releases/ü."):
        assert (await api.call("GET", bad)).status == 404 or bad.endswith("0")
    api.token = token
    await api.call("DELETE", "/oauth/sessions/~", status=200)
    assert (await api.call("GET", path)).status == 404


async def log_path(api, **body):
    made = await (await api.call("POST", "/apps/hello/log-sessions", body, status=201)).json()
    return made["logplex_url"].removeprefix("https://localhost:8443")


async def test_logs_are_read_plain_and_as_events(api, hello, stage):
    logs = stage.panel.logs
    for name, text in (("web.1", "one"), ("worker.1", "two"), ("web.2", "three")):
        logs.add(hello, name, text)
    text = await (await api.call("GET", await log_path(api, lines=10))).text()
    assert [line.split(": ")[-1] for line in text.splitlines()][-3:] == ["one", "two", "three"]
    text = await (await api.call("GET", await log_path(api, dyno="web", lines=10))).text()
    assert [line.split(": ")[-1] for line in text.splitlines()] == ["one", "three"]
    assert await (await api.call("GET", await log_path(api, source="heroku"))).text() == ""
    path = await log_path(api, lines=2)
    text = await (await api.call("GET", path, Accept="text/event-stream")).text()
    assert text.startswith("retry: 10\n\nid: ")
    assert text.endswith("app[web.2]: three\n\n")
    assert (await api.call("GET", path, Accept="text/event-stream", Last_Event_ID="2024-01-01T00:00:00.000000+00:00/1")).status == 404


@pytest.mark.req("R7.2")
@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["old", "[ERROR] status=500", "level=warn Slow", "State changed", "Release v2"]),
        ({"lines": 2}, ["State changed", "Release v2"]),
        ({"source": "app", "lines": 2}, ["level=warn Slow", "Release v2"]),
        ({"source": "heroku"}, ["State changed"]),
        ({"source": "api"}, ["Release v2"]),
        ({"source": "router,system"}, ["State changed"]),
        ({"search": "SLOW level"}, ["level=warn Slow"]),
        ({"regex": r"status=5\d\d"}, ["[ERROR] status=500"]),
        ({"level": "warning"}, ["[ERROR] status=500", "level=warn Slow"]),
        ({"since": "2026-01-01T00:00:02"}, ["level=warn Slow", "State changed", "Release v2"]),
        ({"since": "2026-01-01T02:00:02+02:00", "until": "2026-01-01T00:00:03Z"}, ["level=warn Slow"]),
        ({"since": "500w"}, ["old", "[ERROR] status=500", "level=warn Slow", "State changed", "Release v2"]),
        ({"since": "2999-01-01"}, []),
        ({"dyno": "web.1", "level": "error"}, ["[ERROR] status=500"]),
        ({"type": "worker", "source": None, "regex": None}, ["level=warn Slow"]),
    ],
)
async def test_a_log_session_has_the_lines_that_meet_its_conditions(api, hello, stage, wanted, expected):
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    lines = [
        LogLine("web.1", begin, "old"),
        LogLine("web.1", begin + timedelta(seconds=1), "[ERROR] status=500"),
        LogLine("worker.1", begin + timedelta(seconds=2), "level=warn Slow"),
        LogLine("web.1", begin + timedelta(seconds=3), "State changed", Source.SYSTEM),
        LogLine("", begin + timedelta(seconds=4), "Release v2", Source.API),
    ]
    stage.panel.logs.stored.clear()
    await stage.panel.logs.append(hello.id, lines)
    text = await (await api.call("GET", await log_path(api, **wanted))).text()
    assert [line.split(": ")[-1] for line in text.splitlines()] == expected


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"since": "soon"}, "This is not a time: 'soon'"),
        ({"since": "1h", "until": "2h"}, "The time range ends before it begins."),
        ({"until": "1h", "tail": True}, "A tail has no end."),
        ({"regex": "("}, "This is not a regular expression: ("),
        ({"regex": "a" * 501}, "regex is too long."),
        ({"search": "a" * 201}, "The search is too long."),
        ({"level": "bad"}, "There is no level 'bad'."),
        ({"source": "logplex"}, "There is no source 'logplex'."),
        ({"dyno": "web/1"}, "This is not a dyno: 'web/1'"),
        ({"lines": -1}, "lines is out of range."),
        ({"since": 5}, "since has the wrong type."),
        ({"grep": "x"}, "There is no field 'grep' here."),
    ],
)
async def test_a_log_session_that_cannot_be_is_explained(api, hello, wanted, message):
    response = await api.call("POST", "/apps/hello/log-sessions", wanted, status=422)
    assert message in (await response.json())["message"]


async def test_a_tail_has_only_the_lines_that_meet_its_conditions(api, hello, stage):
    path = await log_path(api, search="wanted", level="error", tail=True, lines=0)
    async with api.client.get(path, headers={"Host": "localhost:8443"}) as response:
        for text in ("[ERROR] other", "wanted", "[ERROR] wanted"):
            stage.panel.logs.add(hello, "web.1", text)
        assert (await response.content.readline()).endswith(b": [ERROR] wanted\n")


async def test_a_tail_goes_on_where_it_was_and_ends_with_its_token(api, hello, stage):
    logs = stage.panel.logs
    logs.add(hello, "web.1", "one")
    path = await log_path(api, dyno="web.1", tail=True)
    headers = {"Host": "localhost:8443", "Accept": "text/event-stream"}
    async with api.client.get(path, headers=headers) as response:
        seen = ""
        while "one" not in seen:
            seen += (await response.content.readline()).decode()
        place = seen.rpartition("id: ")[2].split("\n")[0]
    async with api.client.get(path, headers=headers | {"Last-Event-ID": place}) as response:
        logs.add(hello, "web.1", "two")
        seen = ""
        while "two" not in seen:
            seen += (await response.content.readline()).decode()
        assert "one" not in seen
        await api.call("DELETE", "/oauth/sessions/~", status=200)
        async with asyncio.timeout(60):
            await response.content.read()
    assert (await api.call("GET", path)).status == 404


async def test_all_tails_of_a_token_end_with_it_and_no_other(api, hello, stage):
    other = await api.act_as(stage.admin)
    headers = {"Host": "localhost:8443"}
    async with AsyncExitStack() as stack:
        ending = [await stack.enter_async_context(api.client.get(await log_path(api, tail=True), headers=headers)) for _ in range(3)]
        # One that leaves early ends it for nobody.
        (await api.client.get(await log_path(api, tail=True), headers=headers)).close()
        lasting = await stack.enter_async_context(api.client.get(await log_path(other, tail=True), headers=headers))
        await api.call("DELETE", "/oauth/sessions/~", status=200)
        async with asyncio.timeout(60):
            for response in ending:
                await response.content.read()
        stage.panel.logs.add(hello, "web.1", "still here")
        assert b"still here" in await lasting.content.readline()


async def test_keys_are_added_and_removed(api, stage):
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7jEpZ7X4oCzGJq0cVhBqmCuTiMLTcHdWHJ0ipRGGGg dev@laptop"
    made = await (await api.call("POST", "/account/keys", {"public_key": key}, status=201)).json()
    assert (made["comment"], made["public_key"]) == ("dev@laptop", key)
    again = await api.call("POST", "/account/keys", {"public_key": key}, status=201)
    assert await again.json() == made
    other = await api.act_as(await stage.outsider())
    await other.call("POST", "/account/keys", {"public_key": key}, status=409)
    assert (await api.call("POST", "/account/keys", {"public_key": "nonsense"})).status == 422
    assert await api.get("/account/keys") == [made]
    await api.call("DELETE", f"/account/keys/{made['id']}", status=200)
    await api.call("DELETE", f"/account/keys/{made['id']}", status=404)


async def test_pages_follow_one_another(api, stage):
    for number in range(5):
        await stage.app(f"app{number}")
    names, wanted = [], "id ..; max=2;"
    while wanted:
        response = await api.call("GET", "/apps", Range=wanted)
        names += [app["name"] for app in await response.json()]
        wanted = response.headers.get("Next-Range")
        assert response.status == (206 if wanted else 200)
    assert names == [f"app{number}" for number in range(5)]


@pytest.mark.parametrize("header", ["id ..; ;", "name ..", "", "version ..; max=20, , order=desc", "nonsense ..", "name ]a..", "id .."])
async def test_odd_ranges_are_understood(api, stage, header):
    await stage.app("hello")
    assert [app["name"] for app in await api.get("/apps", Range=header)] == ["hello"]


async def test_what_did_not_change_is_not_sent_and_what_is_long_is_packed(api, stage, hello):
    for path in ("/apps", "/apps/hello", "/apps/hello/releases", "/account"):
        for encoding in ("gzip", "identity"):
            tag = (await api.call("GET", path, Accept_Encoding=encoding)).headers["ETag"]
            unchanged = await api.call("GET", path, Accept_Encoding=encoding, If_None_Match=tag)
            assert (unchanged.status, unchanged.headers.get("Content-Encoding"), await unchanged.read()) == (304, None, b"")
            assert (await api.call("GET", path, Accept_Encoding=encoding, If_None_Match='"other"')).status == 200
    assert (await api.call("GET", "/apps/hello")).headers["Content-Encoding"] == "gzip"


@pytest.mark.req("R1.2")
async def test_an_account_without_apps_gets_empty_lists(api):
    for path in ("/apps", "/users/~/apps", "/addons", "/pipelines", "/account/features", "/account/keys"):
        assert await api.get(path) == []


@pytest.mark.req("R1.4")
async def test_what_nobody_expected_is_logged_with_its_trace_and_the_answers_id(api, hello, stage, caplog):
    async def broken(_app_id=None):
        raise ZeroDivisionError

    stage.panel.scheduler.dynos = broken
    with caplog.at_level(logging.ERROR):
        response = await api.call("GET", "/apps/hello/dynos", status=500)
    record = next(record for record in caplog.records if record.exc_info)
    assert record.exc_info[0] is ZeroDivisionError
    assert response.headers["Request-Id"] in record.getMessage()
    assert response.headers["Request-Id"] in (await response.json())["message"]


async def test_browsers_are_led_to_the_dashboard(api):
    response = await api.call("GET", "/", Accept="text/html")
    assert (response.status, response.headers["Location"]) == (302, api.stage.panel.address.dashboard_url())


async def test_an_app_is_renamed_kept_from_visitors_and_stays_on_its_stack(api, hello, stage):
    changed = await (await api.call("PATCH", "/apps/hello", {"maintenance": True}, status=200)).json()
    assert changed["maintenance"] is True
    assert (await api.get("/apps/hello"))["maintenance"] is True
    changed = await (await api.call("PATCH", "/apps/hello", {"name": "bye", "maintenance": False, "build_stack": "heroku-24"})).json()
    assert (changed["name"], changed["maintenance"], changed["id"]) == ("bye", False, str(hello.id))
    assert await api.get("/apps/bye") == changed
    await api.get("/apps/hello", 404)
    await stage.app("other")
    for bad, status in (
        ({"build_stack": "moon", "name": "x"}, 422),
        ({"name": "other", "maintenance": True}, 409),
        ({"name": "A"}, 422),
    ):
        assert (await api.call("PATCH", "/apps/bye", bad)).status == status, bad
    assert await api.get("/apps/bye") == changed


async def test_who_may_keep_visitors_away_may_not_rename(api, hello, stage):
    client = await api.act_as(await stage.member(Role.DEVELOPER))
    await client.call("PATCH", "/apps/hello", {"name": "bye", "maintenance": True}, status=403)
    assert (await api.get("/apps/hello"))["maintenance"] is False
    await client.call("PATCH", "/apps/hello", {"maintenance": True}, status=200)


async def test_the_password_is_changed_by_who_knows_it(api, stage):
    await passwords.reset(stage.panel, stage.admin, PASSWORD)
    body = {"password": "wrong", "new_password": "another good password"}
    await api.call("PATCH", "/account", body, status=403)
    await api.call("PATCH", "/account", {**body, "password": PASSWORD}, status=200)
    assert await passwords.prove(stage.panel, stage.admin.email, "another good password", "192.0.2.1") == stage.admin
    await api.call("PATCH", "/account", {"name": "Ada"}, status=422)


async def test_features_are_none(api, hello):
    for path in ("/account/features/beta", "/apps/hello/features/preboot"):
        assert "no feature" in (await api.get(path, 404))["message"]
        await api.call("PATCH", path, {"enabled": True}, status=404)


async def test_buildpacks_are_chosen_listed_and_used(api, hello, stage):
    path = "/apps/hello/buildpack-installations"
    assert await api.get(path) == []
    texts = ["heroku/nodejs", "https://git.example/apt.git#v1", "https://git.example/heroku/heroku-buildpack-python"]
    body = {"updates": [{"buildpack": text} for text in texts]}
    made = await (await api.call("PUT", path, body, status=200)).json()
    assert [(each["ordinal"], each["buildpack"]["url"]) for each in made] == list(enumerate(texts))
    assert [each["buildpack"]["name"] for each in made] == ["nodejs", "apt", "python"]
    assert await api.get(path) == made
    stage.panel.builder.steps.clear()
    await stage.push(hello, "second")
    await stage.work()
    used = [step[step.index("bin/compile") - 1] for step in stage.panel.builder.steps if "bin/compile" in step]
    assert used == ["/tmp/buildpacks/nodejs", "/tmp/buildpacks/2", "/tmp/buildpacks/python"]
    for bad in (["cobol"], ["python", "heroku/python"], ["https://ada:word@git.example/x"], ["python"] * 21, ["file:///etc"], [""]):
        response = await api.call("PUT", path, {"updates": [{"buildpack": text} for text in bad]})
        assert response.status == 422, bad
        assert "word" not in await response.text()
    assert await api.get(path) == made
    await api.call("PUT", path, {"updates": []}, status=200)
    assert await api.get(path) == []


async def test_what_a_list_says_of_an_app(api, hello, stage):
    [shown] = await api.get("/apps")
    assert shown == await api.get("/apps/hello")
    async with stage.panel.transaction() as conn:
        release = await releases.get(conn, (await apps.get(conn, hello.id)).current_release_id)
        slug = await slugs.get(conn, release.slug_id)
        organization = await organizations.get(conn, hello.organization_id)
        await apps.set_repository_size(conn, hello.id, 4096)
        bob = await factories.account(conn, "bob@example.com")
        await collaborators.put(conn, hello.id, bob.id, Role.VIEWER)
    assert shown["owner"] == {"id": str(stage.admin.id), "email": stage.admin.email}
    assert shown["team"] == shown["organization"] == {"id": str(organization.id), "name": organization.name}
    assert (shown["slug_size"], shown["released_at"]) == (slug.size_bytes, f"{release.created_at:%Y-%m-%dT%H:%M:%SZ}")
    # Whose it is, a collaborator sees; the organization is for its members.
    [seen] = await (await api.act_as(bob)).get("/apps")
    assert seen == shown | {"team": None, "organization": None, "repo_size": 4096}


async def test_reads_ask_the_same_few_things_with_a_thousand_apps_and_ten_thousand_releases(api, hello, stage):
    database = Counting(stage.panel.database)
    paths = ("/apps/hello", "/apps", "/apps/hello/releases")
    async with TestClient(TestServer(create_app(replace(stage.panel, database=database), SETTINGS))) as client:
        counted = Api(client, stage, api.token)

        async def statements(path):
            database.count = 0
            await counted.call("GET", path, Range="name ..; max=1000")
            return database.count

        before = {path: await statements(path) for path in paths}
        assert before == {"/apps/hello": 3, "/apps": 2, "/apps/hello/releases": 4}
        async with stage.panel.transaction() as conn:
            await crowd(conn, "hello")
        assert len(await counted.get("/apps", 200, Range="name ..; max=1000")) == 1000
        assert {path: await statements(path) for path in paths} == before
