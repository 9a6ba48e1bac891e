"""Each kind of bad input at every endpoint: of a good request one thing is spoilt, and it is refused for that."""

import asyncio
import copy
import json
import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import jsonschema_rs
import pytest
from sqlalchemy import func, select, update

from skypanel.domain.access import SCOPES, Role
from skypanel.domain.account import PublicKey
from skypanel.flow import (
    accounts,
    apps,
    domains,
    log_drains,
    organizations,
    passwords,
    scale,
    transfer,
    upload,
    uploaded_certificates,
    webhooks,
)
from skypanel.flow.digest import digest
from skypanel.store import builds, keys, releases
from skypanel.store import organizations as organizations_store
from skypanel.store import tokens as tokens_store
from skypanel.store.tables.accounts import tokens as tokens_table
from tests.support.api_walk import BODY, CHAIN, CHAIN_KEY, NOBODY, PARAMS, PLAIN, ROUTES, filled, refused, rows, schema_of
from tests.support.archives import APP, entry, tgz

PASSWORD = BODY["PATCH /account"]["password"]
VALUES = {"object": {"a": 1}, "array": ["a"], "string": "a", "integer": 1, "number": 1.5, "boolean": True, "null": None}
NUL, SURROGATE = "a\0b", "a\ud800"
HUGE = "9" * 5000
TEXTS = {"NUL": NUL, "a lone surrogate": SURROGATE}
IDS = ["%00", "%ff", "a%00b", "..%2f..%2fetc", "a" * 600, "ü", "'", "{app}", "9" * 21, "-1", NOBODY, "%25", "%0a", "%20", "~"]


def wrong_values(schema):
    """Yield what a value cannot be that fits a schema, each with what is wrong about it."""
    if "anyOf" in schema:
        fits_one = jsonschema_rs.validator_for(schema).is_valid
        found = [each for one in schema["anyOf"] for each in wrong_values(one)]
        yield from ((why, value) for why, value in found if why in TEXTS or not fits_one(value))
        return
    kinds = {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])
    yield from ((f"a wrong type, {kind}", value) for kind, value in VALUES.items() if kind not in kinds)
    if "string" in kinds:
        yield "too long", "a" * (schema["maxLength"] + 1)
        yield from TEXTS.items()
    if "integer" in kinds:
        yield "too small", schema["minimum"] - 1
        yield "too large", schema["maximum"] + 1
    if "array" in kinds:
        yield "too many", [fitting(schema["items"])] * (schema["maxItems"] + 1)
        yield from ((f"an item that is {why}", [value]) for why, value in wrong_values(schema["items"]))
    if "object" in kinds and schema["additionalProperties"]:
        yield "too many fields", {f"KEY{number}": fitting(schema["additionalProperties"]) for number in range(schema["maxProperties"] + 1)}
        yield from ((f"a field that is {why}", {"KEY": value}) for why, value in wrong_values(schema["additionalProperties"]))


def fitting(schema):
    """Return a value that fits a schema."""
    if "anyOf" in schema:
        return fitting(schema["anyOf"][0])
    kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
    if kind == "object":
        return {name: fitting(schema["properties"][name]) for name in schema.get("required", ())}
    return {"array": [], "string": "a", "integer": schema.get("minimum"), "boolean": True}[kind]


def records(schema, value, path=()):
    """Yield the objects with named fields in a value, each as the way to it and its schema."""
    if isinstance(value, dict) and "properties" in schema:
        yield path, schema
        for name, inner in value.items():
            yield from records(schema["properties"][name], inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from records(schema["items"], inner, (*path, number))


def changed(value, path, change):
    """Return a copy of a value in which the object at the end of a way is changed."""
    made = copy.deepcopy(value)
    at = made
    for step in path:
        at = at[step]
    change(at)
    return made


def spoilt(schema, good):
    """Yield a good body with one thing wrong, and what that is."""
    text = json.dumps(good)
    yield from ((f"the body is {why}", value) for why, value in wrong_values(schema))
    for path, record in records(schema, good):
        yield f"an unknown field in {path}", changed(good, path, lambda at: at.update(nothing=1))
        for name in record["required"]:
            yield f"{path} without {name}", changed(good, path, lambda at, name=name: at.pop(name))
        for name, inner in record["properties"].items():
            for why, value in wrong_values(inner):
                yield f"{path} {name} is {why}", changed(good, path, lambda at, name=name, value=value: at.update({name: value}))
    for name in good:
        field = json.dumps(name)
        yield f"{name} twice", f"{text[:-1]}, {field}: {json.dumps(good[name])}}}".encode()
        for why, literal in (("deep", "[" * 5000 + "]" * 5000), ("deep and open", "[" * 100_000), ("infinite", "1e999"), ("huge", HUGE)):
            others = json.dumps({key: value for key, value in good.items() if key != name})[1:-1]
            yield f"{name} is {why}", f"{{{field}: {literal}{', ' if others else ''}{others}}}".encode()
    yield "cut off", text[:-1].encode()
    yield "more than one", f"{text}{text}".encode()
    yield "no UTF-8", text.encode()[:-1] + b', "\xff": 1}'


@pytest.fixture
async def good(api, hello, stage):
    """Bodies that are good, and what they are about: Acme, somebody without access, and an upload."""
    await passwords.reset(stage.panel, stage.admin, PASSWORD)
    await api.call("POST", "/teams", {"name": "Acme"}, status=201)
    await stage.outsider()
    await api.call("POST", "/apps/hello/collaborators", {"user": "outsider@example.com"}, status=201)
    await api.call("PUT", "/teams/Acme/members", {"email": "outsider@example.com", "role": "developer"}, status=201)
    made = copy.deepcopy(BODY)
    made["POST /apps/{app}/builds"]["source_blob"]["url"] = f"https://localhost:8443/sources/{(await uploaded(stage, stage.admin)).id}"
    return made


async def uploaded(stage, account):
    async def chunks():
        yield tgz(APP, entry("app.py", b"print('hello')\n"))

    _, secret = await upload.offer(stage.panel, account)
    return await upload.take(stage.panel, secret, chunks())


def test_each_endpoint_with_a_body_has_a_good_one():
    assert set(BODY) == {route for route, endpoint in ROUTES.items() if endpoint.takes}


@pytest.mark.parametrize("route", BODY)
async def test_a_good_body_with_one_thing_spoilt_is_refused(api, good, stage, route):
    endpoint = ROUTES[route]
    path = filled(endpoint.path.replace("{team}", "Acme").replace("{collaborator}", "outsider@example.com"))
    before = await rows(stage)
    for why, body in spoilt(schema_of(endpoint.takes), good[route]):
        response = await api.call(endpoint.method, path, body if isinstance(body, bytes) else json.dumps(body).encode())
        assert response.status == 422, why
        await refused(response)
    assert await rows(stage) == before
    is_missing = any(name in route for name in ("{transfer}", "{feature}", "{domain}", "{webhook}", "{drain}", "{certificate}"))
    response = await api.call(endpoint.method, path, good[route])
    assert response.status in ({404} if is_missing else {200, 201}), await response.text()


@pytest.mark.parametrize("odd", IDS, ids=lambda odd: odd[:20])
async def test_a_name_that_is_none_is_not_found_wherever_it_stands(api, good, stage, odd):
    before = await rows(stage)
    for route, endpoint in ROUTES.items():
        for name in re.findall(r"{\w+}", endpoint.path):
            path = filled(endpoint.path.replace(name, "ODD").replace("{team}", "Acme")).replace("ODD", odd)
            response = await api.call(endpoint.method, path, good.get(route), status=404)
            await refused(response)
    assert await rows(stage) == before


@dataclass
class Two:
    """Somebody with an app, and the ids of what is another's: by parameter, those that are not the caller's to see."""

    client: object
    own: dict[str, str]
    foreign: dict[str, list[str]]


@pytest.fixture
async def two(api, hello, stage):
    """The caller has mine, and hello, its key, its token and the rest are of somebody else."""
    panel, other = stage.panel, stage.admin
    caller = await stage.outsider()
    own = await organizations.create(panel, caller, "Own")
    mine = await apps.create(panel, caller, "mine")
    await stage.push(mine, "another tree")
    await stage.work()
    third = await stage.member(Role.DEVELOPER)
    await accounts.add_key(panel, other, PublicKey("ssh-ed25519 AAAA", "SHA256:another", "laptop"), by=other)
    domain = await domains.add(panel, hello, "www.example.com", other)
    certificate = await uploaded_certificates.add(panel, hello, other, chain=CHAIN, key=CHAIN_KEY)
    offered = await transfer.offer(panel, hello, third, other)
    hook = {"url": "https://example.com/hooks", "include": ["api:formation"], "level": "notify"}
    drain = await log_drains.add(panel, hello, other, "https://example.com/lines")
    webhook, _ = await webhooks.add(panel, hello, other, hook)
    await scale.scale(panel, hello, {"web": 2}, other)
    [delivery] = await webhooks.deliveries(panel, hello, 1)
    async with panel.transaction() as conn:
        (main, *_) = await organizations_store.of(conn, other.id)
        (key,) = await keys.of(conn, other.id)
        (build,) = await builds.recent(conn, hello.id, 1)
        release = await releases.by_version(conn, hello.id, 1)
        token = (await tokens_store.of(conn, other.id))[0]
    (dyno,) = await api.get("/apps/hello/dynos")
    formations = await api.get("/apps/hello/formation")
    people = await api.get("/apps/hello/collaborators")
    return Two(
        await api.act_as(caller),
        {"{account}": caller.email, "{app}": "mine", "{team}": own.name, "{release}": "1", "{dyno}": "web.1"},
        {
            "{account}": [other.email, str(other.id)],
            "{app}": ["hello", str(hello.id)],
            "{team}": [main.name, str(main.id)],
            "{key}": [str(key.id), key.fingerprint],
            "{authorization}": [str(token.id)],
            "{transfer}": [str(offered.id), "hello", str(hello.id)],
            "{release}": [str(release.id)],
            "{build}": [str(build.id)],
            "{dyno}": [dyno["id"]],
            "{domain}": [domain.name, str(domain.id)],
            "{certificate}": [certificate.name, str(certificate.id)],
            "{drain}": [str(drain.id), drain.token, "https:%2F%2Fexample.com%2Flines"],
            "{webhook}": [str(webhook.id)],
            "{delivery}": [str(delivery.id)],
            "{event}": [str(delivery.event_id)],
            "{plan}": ["Hobby"],
            "{type}": [each["id"] for each in formations],
            "{member}": [str(third.id), third.email],
            "{collaborator}": [str(third.id), third.email, *(each["id"] for each in people)],
        },
    )


async def test_every_parameter_can_name_what_is_anothers(two):
    assert set(two.foreign) == {name for name in PARAMS if name not in {"{ticket}", "{upload}", "{stack}", "{feature}"}}


@pytest.mark.parametrize("name", sorted(set(PARAMS) - {"{ticket}", "{upload}", "{stack}", "{feature}"}))
async def test_an_id_of_anothers_is_answered_as_one_of_nothing(two, stage, name):
    before = await rows(stage)
    for route, endpoint in ROUTES.items():
        if name not in endpoint.path:
            continue
        path = endpoint.path.replace(name, "ID")
        for own, value in two.own.items():
            path = path.replace(own, value)
        answers = set()
        for each in (*two.foreign[name], NOBODY, "SHA256:nothing" if name == "{key}" else str(uuid4())):
            # Who runs no panel does not even learn who or what there is.
            status = 403 if name in {"{account}", "{plan}"} else 404
            response = await two.client.call(endpoint.method, filled(path).replace("ID", each), BODY.get(route), status=status)
            answers.add((await response.text()).replace(each, "ID"))
        assert len(answers) == 1, (route, answers)
    assert await rows(stage) == before


async def test_what_is_anothers_cannot_be_named_in_a_body(two, api, stage):
    theirs = await uploaded(stage, stage.admin)
    before = await rows(stage)
    (release,), of_apps, of_teams = two.foreign["{release}"], (*two.foreign["{app}"], NOBODY), (*two.foreign["{team}"], NOBODY)
    url = "https://localhost:8443/sources/"
    for method, path, bodies, status in (
        (
            "POST",
            "/account/app-transfers",
            [{"app": each, "recipient": stage.admin.email} for each in of_apps],
            404,
        ),
        ("POST", "/teams/apps", [{"name": "new", "team": each} for each in of_teams], 404),
        ("PATCH", "/teams/apps/mine", [{"owner": each} for each in of_teams], 404),
        ("POST", "/apps/mine/releases", [{"release": each} for each in (release, NOBODY)], 404),
        ("POST", "/apps/mine/builds", [{"source_blob": {"url": f"{url}{each}"}} for each in (theirs.id, NOBODY)], 422),
    ):
        answers = set()
        for body in bodies:
            response = await two.client.call(method, path, body, status=status)
            answers.add(without(await response.text(), body))
        assert len(answers) == 1, answers
    assert await rows(stage) == before


def without(text, body):
    """Return an answer without the words that were sent."""
    for value in body.values():
        text = text.replace(str(value), "WORD")
    return text


async def tickets(client, stage):
    """Return the paths of the three streams that a client may read."""
    session = await (await client.call("POST", "/apps/hello/log-sessions", {"tail": False}, status=201)).json()
    release = await client.get("/apps/hello/releases/1")
    (build,) = await client.get("/apps/hello/builds")
    urls = (session["logplex_url"], release["output_stream_url"], build["output_stream_url"])
    return [url.removeprefix("https://localhost:8443") for url in urls]


async def test_endpoints_that_take_no_token_take_one_elsewhere():
    """Each of these is looked at below, but for an upload, whose URL is good once, and the document, which is for all."""
    paths = {route for route, endpoint in ROUTES.items() if endpoint not in PLAIN}
    assert paths == {
        "POST /oauth/authorizations", "PUT /sources/{upload}", "GET /schema",
        "GET /streams/logs/{ticket}", "GET /streams/releases/{ticket}", "GET /streams/builds/{ticket}",
    }  # fmt: skip


@pytest.mark.parametrize("ending", ["revoked", "expired"])
async def test_what_a_token_opened_closes_with_it(api, hello, stage, ending):
    client = await api.act_as(stage.admin)
    is_ours = tokens_table.c.digest == digest(client.token)
    paths = await tickets(client, stage)
    for path in paths:
        await api.call("GET", path, status=200, Authorization="")
    async with stage.panel.transaction() as conn:
        token_id = (await conn.first(select(tokens_table.c.id).where(is_ours))).id
        if ending == "expired":
            await conn.execute(update(tokens_table).where(is_ours).values(expires_at=func.now() - timedelta(seconds=1)))
    if ending == "revoked":
        await accounts.revoke_token(stage.panel, stage.admin, token_id, by=stage.admin)
    for path in paths:
        await refused(await api.call("GET", path, status=404, Authorization=""))
    for endpoint in PLAIN:
        for given in (f"Bearer {client.token}", f"Basic {b64encode(f':{client.token}'.encode()).decode()}"):
            body = BODY.get(f"{endpoint.method} {endpoint.path}")
            await refused(await api.call(endpoint.method, filled(endpoint.path), body, status=401, Authorization=given))
    for given in (f"Bearer {client.token}", f"Basic {b64encode(f':{client.token}'.encode()).decode()}"):
        await refused(await api.call("POST", "/oauth/authorizations", {"scope": ["read"]}, status=401, Authorization=given))


@pytest.mark.parametrize("scope", [scope for scope in SCOPES if scope != "global"])
async def test_no_endpoint_does_more_than_a_tokens_scope(api, hello, stage, scope):
    client = await api.act_as(stage.admin, scope)
    before = await rows(stage)
    for endpoint in PLAIN:
        if endpoint.needs not in SCOPES[scope]:
            body = BODY.get(f"{endpoint.method} {endpoint.path}")
            await refused(await client.call(endpoint.method, filled(endpoint.path), body, status=403))
    assert await rows(stage) == before


async def test_of_those_who_write_a_formation_at_once_each_writes_all_or_nothing(api, hello):
    few, many = ({"web": number, "worker": number} for number in (1, 4))
    bodies = [[{"type": name, "quantity": number} for name, number in wanted.items()] for wanted in (few, many)]
    bodies = [*bodies, *(updates[::-1] for updates in bodies), [{"type": "web", "quantity": 2}, {"type": "worker", "quantity": 999}]]
    answers = await asyncio.gather(*(api.call("PATCH", "/apps/hello/formation", {"updates": updates}) for updates in bodies * 3))
    assert sorted(answer.status for answer in answers) == [200] * 12 + [422] * 3
    assert {one["type"]: one["quantity"] for one in await api.get("/apps/hello/formation")} in (few, many)
