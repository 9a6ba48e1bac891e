"""What each role may do: each call of the API, each page and form of an app, git, and the audit log of it."""

import logging
import re
from base64 import b64encode
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from uuid import UUID

import asyncssh
import pytest
from aiohttp import ClientSession

from skypanel.domain.access import AccountAction, Action, allows, covers
from skypanel.flow import accounts as accounts_flow
from tests.fixtures.api import Api
from tests.fixtures.git_host import publish
from tests.fixtures.web import ORIGIN
from tests.support.receiver_harness import PanelBackend, running_receiver
from tests.support.rewound import Rewound
from tests.support.roles import ABSENT, API, DENIED, DONE, EVERYBODY, MAKES_APPS, PAGES, SCOPES, STANDINGS, TEAM_ACTIONS, VERDICTS
from tests.support.world import AFTER, SECRET, filled, make_world
from web.api.endpoints import Endpoint
from web.api.routes import ENDPOINTS
from web.routes import ROUTES

ADDRESS = "192.0.2.7"
# What is answered where something was done, and where it was only looked at.
# Old addresses lead to new ones by 308, members' pages administrators to their own by 307.
GOOD = ({200, 201, 202, 303}, {101, 200, 307, 308})
# RFC 6455, 4.1
WEB_SOCKET = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "A" * 22 + "=="}
SENTENCES = re.compile(r"[A-Z].+\. [A-Z`].+\.")
# Those of the panel, of its administrators and of the account itself: no role has a say in them.
ACCOUNT_PAGES = {
    "/login", "/login/code", "/login/passkey", "/login/passkey/question", "/login/forgotten", "/login/reset", "/logout", "/welcome",
    "/account", "/account/password", "/account/email", "/account/email/confirm", "/account/keys", "/account/keys/remove", "/account/tokens",
    "/account/tokens/revoke", "/account/security", "/account/security/code.svg", "/account/passkeys", "/account/passkeys/question",
    "/account/passkeys/remove", "/account/sessions", "/account/sessions/end", "/account/notifications",
}  # fmt: skip
OTHER_PAGES = ACCOUNT_PAGES | {
    "/metrics", "/internal/health", "/internal/traefik", "/internal/routes", "/internal/http-errors", "/.well-known/acme-challenge/{token}",
    "/nodes/agent/heartbeat", "/nodes/agent/slugs", "/nodes/agent/slugs/{digest}",
    "/nodes/agent/logs", "/nodes/agent/stops/{container}", "/nodes", "/", "/billing", "/plans",
    "/organizations", "/organizations/new",
    "/apps", "/apps/new", "/apps/new/check", "/changes", "/apps/{app}/changes", "/apps/{app}/logs/events",
    "/switch", "/static/{content}/{name}",
}  # fmt: skip


@pytest.fixture
async def database(database):
    return Rewound(database)


@pytest.fixture
async def world(stage):
    return await make_world(stage)


@dataclass
class Said:
    """What was answered: its status and text, and what it says where it is a refusal."""

    status: int
    text: str
    message: str


async def walk(world, cases, call, origin):
    """Make each call, and check that it is done, refused or not found, and its audit record."""
    untouched = await world.state()
    for case in cases:
        async with world.undone():
            world.names |= await AFTER[case.after](world) if case.after else {}
            names = world.names | case.names
            before = await world.state() if case.after else untouched
            denied = (await world.denials())[0]
            said = await call(case.method, filled(case.path, names), filled(case.body, names))
            after = await world.state()
            rows = await world.newest(after[0] - before[0])
            world.written += [str(row) for row in rows]
            if said.status >= 400:
                world.written.append(said.text)
            assert SECRET not in said.text
            verdict = case.verdict(world.standing, world.scope)
            found = (world.standing.name, world.scope, case.name, case.body, said)
            assert (after != before) == (verdict == DONE and case.record is not None), found
            if verdict == DONE:
                assert case.missing in said.message if case.missing else said.status in GOOD[case.method == "GET"], found
                assert {row.action for row in rows} == ({case.record} if case.record else set()), (found, rows)
                for row in rows:
                    assert (row.email, row.account_id, row.origin) == (world.me.email, world.me.id, origin), row
                    assert row.app_id == world.app.id or "{app}" not in f"{case.path} {case.body}", row
                    assert row.organization_id == world.team.id or not re.search("{team}|{organization}", f"{case.path} {case.body}"), row
            elif verdict == DENIED:
                assert said.status == 403, found
                assert SENTENCES.fullmatch(said.message), found
                count, row = await world.denials()
                assert count == denied + 1, found
                assert (row.email, row.account_id, row.origin) == (world.me.email, world.me.id, origin), (found, row)
                assert row.details["asked"].startswith(f"{case.method} /"), (found, row)
                world.written.append(str(row))
            else:
                assert said.status == 404, found
                # Who asks for what is others' is on record, who asks for nothing is not.
                is_others = case.path.startswith(("/apps/{app}", "/teams/", "/organizations/"))
                assert (await world.denials())[0] == denied + 1 or not is_others, found
                absent = names | {
                    "app": "nobodys",
                    "team": "Nobodys",
                    "organization": str(UUID(int=0)),
                    "ticket": names.get("nobodys ticket"),
                }
                other = await call(case.method, filled(case.path, absent), filled(case.body, absent))
                assert (other.status, told(other.text)) == (said.status, told(said.text)), found


def told(said):
    return re.sub("hello|nobodys|Acme|Nobodys|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "NAME", said)


def check_kept_secret(world, caplog):
    """See that no refusal, row of the audit log or log line has a config value, or what lets somebody in."""
    # The panel's own server logs no requests: web/__main__.py.
    logged = [f"{record.getMessage()} {record.exc_text}" for record in caplog.records if record.name != "aiohttp.access"]
    assert world.written
    for line in (*world.written, *logged):
        for secret in world.secrets:
            assert secret not in line


async def caller_at_api(api, world, standing, scope="global"):
    """Return somebody with a token, and how they call."""
    token, secret = await accounts_flow.authorize(world.panel, world.people[standing], "mine", scope, None, by=world.people[standing])
    world.secrets.append(secret)
    caller = world.of(standing, scope=scope, token_id=token.id, server=api.client.app)
    client = Api(api.client, world.stage, secret)

    async def call(method, path, body):
        response = await client.call(method, path, body, X_Forwarded_For=ADDRESS)
        return Said(response.status, await response.text(), (await response.json())["message"] if response.status >= 400 else "")

    return caller, call


# What everybody may do, the stranger does for all.
OF_ROLES = [case for case in API if (case.verdicts or VERDICTS[case.action]) != EVERYBODY]


@pytest.mark.req("R12.2")
async def test_roles_at_the_api(api, world, caplog):
    with caplog.at_level(logging.DEBUG):
        for standing in STANDINGS:
            caller, call = await caller_at_api(api, world, standing)
            await walk(caller, API if standing.name == "stranger" else OF_ROLES, call, f"api {ADDRESS}")
    check_kept_secret(world, caplog)


@pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope != "global"])
async def test_scopes_at_the_api(api, world, caplog, scope):
    with caplog.at_level(logging.DEBUG):
        caller, call = await caller_at_api(api, world, STANDINGS[-1], scope)
        await walk(caller, API, call, f"api {ADDRESS}")
    check_kept_secret(world, caplog)


async def test_roles_at_the_pages(new_client, world, caplog):
    publish(world.panel.remotes.root, "app")
    with caplog.at_level(logging.DEBUG):
        for standing in STANDINGS:
            caller = world.of(standing)
            await walk(caller, PAGES, await browser(await new_client(), caller), f"web {ADDRESS}")
    check_kept_secret(world, caplog)


async def browser(client, caller):
    """Return how somebody who has signed in asks for pages and sends forms."""
    assert (await client.sign_in(caller.me)).status == 303
    form_token = await client.form_token("/account")
    caller.secrets += [cookie.value for cookie in client.session.cookie_jar]

    async def call(method, path, body):
        headers = {"Origin": ORIGIN, "X-Forwarded-For": ADDRESS} | (WEB_SOCKET if path.endswith("/socket") else {})
        data = None if method == "GET" else {"form_token": form_token} | body
        response = await client.request(method, path, data=data, headers=headers, allow_redirects=False)
        if response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            response.close()
            return Said(response.status, "", "")
        page = re.sub(r"\s+", " ", (await response.text()).replace(response.headers["Request-Id"], ""))
        found = re.search(r"<h1>(.*?)</h1> <p[^>]*>(.*?)</p>", page)
        return Said(response.status, page, f"{found[1]} {found[2]}" if found and response.status >= 400 else "")

    return call


# An app's name is nobody's secret, as no two can have one: who pushes to another's is told that it is taken.
TAKEN = "!"
GIT = (
    ("upload-pack", "hello", VERDICTS[Action.FETCH]),
    ("receive-pack", "hello", TAKEN + VERDICTS[Action.PUSH][1:]),
    ("receive-pack", "free", MAKES_APPS),
)
STATUS = {DONE: 200, DENIED: 403, ABSENT: 404, TAKEN: 409}


async def test_roles_at_git(world, stage, caplog):
    caplog.set_level(logging.DEBUG)
    async with running_receiver(make_backend=partial(PanelBackend, stage)) as receiver:
        for place, standing in enumerate(STANDINGS):
            me, key = world.people[standing], asyncssh.generate_private_key("ssh-ed25519")
            await receiver.backend.admit(me, key)
            token = await receiver.backend.admit_token(me)
            world.secrets.append(token)
            before = await world.state()
            for service, app, verdicts in GIT:
                status, said = await by_http(receiver, token, service, app)
                exit_status, complaint = await by_ssh(receiver, key, service, app)
                found = (standing.name, service, app, said, complaint)
                assert status == STATUS[verdicts[place]], found
                assert (exit_status == 0) == (status == 200), found
                if status != 200:
                    assert said == complaint, found
                    world.written.append(said)
                    assert SENTENCES.fullmatch(said.removeprefix(" !     ").strip()), found
                if verdicts[place] == ABSENT:
                    assert told(said) == told((await by_http(receiver, token, service, "nobodys"))[1]), found
            assert await world.state() == before
            _, row = await world.denials()
            if DENIED in "".join(verdicts[place] for _, _, verdicts in GIT):
                assert (row.account_id, row.origin.partition(" ")[0]) == (me.id, "ssh"), row
    check_kept_secret(world, caplog)


async def test_scopes_at_git(world, stage):
    async with running_receiver(make_backend=partial(PanelBackend, stage)) as receiver:
        for scope, actions in SCOPES.items():
            token = await receiver.backend.admit_token(world.people[STANDINGS[-1]], scope)
            for service, action in (("upload-pack", Action.FETCH), ("receive-pack", Action.PUSH)):
                status, said = await by_http(receiver, token, service, "hello")
                assert status == (200 if action in actions else 403)
                assert status == 200 or f"has the scope {scope}" in said


async def by_ssh(receiver, key, service, app):
    """Begin as git does, and ask for nothing in the end; return the exit status and the complaint."""
    async with asyncssh.connect("127.0.0.1", receiver.port, username="git", client_keys=[key], known_hosts=None, config=None) as conn:
        ended = await conn.run(f"git-{service} '/{app}.git'", input=b"0000", encoding=None)
    return ended.exit_status, ended.stderr.decode()


async def by_http(receiver, token, service, app):
    url = f"http://127.0.0.1:{receiver.http_port}/{app}.git/info/refs?service=git-{service}"
    headers = {"Authorization": f"Basic {b64encode(f'git:{token}'.encode()).decode()}"}
    async with ClientSession() as session, session.get(url, headers=headers) as response:
        return response.status, (await response.read()).decode(errors="replace")


async def test_lists_have_what_somebody_may_see_and_no_more(api, new_client, world):
    for place, standing in enumerate(STANDINGS):
        client = await api.act_as(world.people[standing])
        apps = ["hello"] if VERDICTS[Action.VIEW_APP][place] == DONE else []
        teams = ["Acme"] if VERDICTS[Action.VIEW_MEMBERS][place] == DONE else []
        for path, names in (("/apps", apps), ("/users/~/apps", apps), ("/teams", teams), ("/organizations", teams)):
            assert [each["name"] for each in await client.get(path)] == names, (standing.name, path)
        pages = await new_client()
        assert (await pages.sign_in(world.people[standing])).status == 303
        assert ('href="/apps/hello"' in await pages.page("/apps")) == bool(apps)
        assert (">Acme<" in await pages.page("/apps")) == bool(teams)


@pytest.mark.parametrize("standing", STANDINGS, ids=lambda standing: standing.name)
def test_the_rulebook_says_the_same(standing):
    for action in Action:
        verdict, role = VERDICTS[action][STANDINGS.index(standing)], standing.role(action)
        sees = allows(role, Action.VIEW_MEMBERS if action in TEAM_ACTIONS else Action.VIEW_APP)
        assert (verdict == DONE) == allows(role, action), action
        assert (verdict == ABSENT) == (not sees), action


@pytest.mark.parametrize("scope", SCOPES)
def test_the_rulebook_says_the_same_of_scopes(scope):
    assert {action for action in VERDICTS if covers(scope, action)} == SCOPES[scope]


def test_every_action_has_a_surface():
    assert {case.action for case in (*API, *PAGES)} | {Action.FETCH} == VERDICTS.keys() == {*Action, *AccountAction}


def test_every_endpoint_of_the_api_is_walked():
    assert {case.name for case in API} == {f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS}
    needs = {(f"{endpoint.method} {endpoint.path}", endpoint.needs) for endpoint in ENDPOINTS if isinstance(endpoint, Endpoint)}
    assert needs <= {(case.name, case.action) for case in API}


def test_every_page_of_an_app_is_walked():
    known = {(route.method, plain(route.path)) for route in ROUTES}
    assert {(case.method, case.path) for case in PAGES} == {(method, path) for method, path in known if not is_other(path)}
    assert {path for _, path in known} >= OTHER_PAGES


def is_other(path):
    """Whether no role has a say in a page; tests/integration/test_web_admin.py walks those of administrators."""
    return path in OTHER_PAGES or path == "/admin" or path.startswith("/admin/")


def plain(path):
    """A path with the names of its parts alone."""
    return re.sub(r"\{(\w+):(?:[^{}]|\{[^}]*\})*\}", r"{\1}", path).replace("{version}", "{release}")


def test_every_write_is_on_record():
    unrecorded = {case.name for case in API if case.method != "GET" and not case.record}
    assert unrecorded == {
        "POST /apps/{app}/log-sessions", "PATCH /account/features/{feature}", "PATCH /apps/{app}/features/{feature}",
        "PATCH /apps/{app}/domains/{domain}",
    }  # fmt: skip
    assert [case.body for case in PAGES if case.method != "GET" and not case.record] == [{"do": "preview", "text": "ANOTHER=1"}]
