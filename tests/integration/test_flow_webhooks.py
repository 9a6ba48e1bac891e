"""Webhooks: what is sent when, to whom, and what becomes of it."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from ipaddress import ip_network

import pytest
from sqlalchemy import func, update

from skypanel.domain import webhook as rules
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound
from skypanel.domain.webhook import KEPT, MAX_WEBHOOKS, SIGNATURE
from skypanel.flow import apps, garbage, organizations, scale, secrets, settings, transfer, webhooks
from skypanel.store import webhooks as rows
from skypanel.store.tables.webhooks import webhook_deliveries, webhook_events
from tests.contracts.receivers import ReceiversContract
from tests.fakes.receivers import FakeReceivers

ALL = ["api:build", "api:release", "api:formation"]


class TestFakeReceivers(ReceiversContract):
    @pytest.fixture
    def receivers(self):
        made = FakeReceivers()
        made.answers["127.0.0.9"] = None
        return made

    @pytest.fixture(name="url")
    def _url(self):
        return "https://localhost/hooks"

    @pytest.fixture(name="gone")
    def _gone(self):
        return "https://127.0.0.9/"

    @pytest.fixture(name="networks")
    def _networks(self):
        return (ip_network("127.0.0.0/8"),)

    @pytest.fixture
    def posted(self, receivers):
        return lambda: [posting.body for posting in receivers.posted]


async def add(stage, app, **values):
    return await webhooks.add(stage.panel, app, stage.admin, {"url": "https://example.com/hooks", "include": ALL, "level": "sync"} | values)


async def deliver(stage):
    await webhooks.deliver(stage.panel, lambda: False)


async def states(stage, app):
    return [(each.status.value, each.attempts, each.code, each.error) for each in await webhooks.deliveries(stage.panel, app, 50)]


async def due_now(stage):
    async with stage.panel.transaction() as conn:
        await conn.execute(update(webhook_deliveries).where(webhook_deliveries.c.due_at.is_not(None)).values(due_at=func.now()))


def bodies(stage):
    return [json.loads(posting.body) for posting in stage.panel.receivers.posted]


async def test_a_push_is_told_from_its_build_to_its_release_signed_and_once(stage):
    app = await stage.app()
    webhook, secret = await add(stage, app, authorization="Bearer s3cret")
    build = await stage.push(app)
    await stage.work()
    await deliver(stage)
    await deliver(stage)
    sent = [(body["resource"], body["action"], body["data"].get("status")) for body in bodies(stage)]
    assert sorted(sent) == sorted(
        [
            ("build", "create", "pending"),
            ("build", "update", "succeeded"),
            ("formation", "create", None),
            ("formation", "create", None),
            ("release", "create", "pending"),
            ("release", "update", "succeeded"),
        ]
    )
    [first] = [body for body in bodies(stage) if (body["resource"], body["action"]) == ("build", "create")]
    assert first["data"]["id"] == str(build.id)
    assert first["data"]["app"] == {"id": str(app.id), "name": "hello"}
    assert first["actor"] == {"id": str(stage.admin.id), "email": stage.admin.email}
    assert first["webhook_metadata"]["webhook"] == {"id": str(webhook.id)}
    for posting in stage.panel.receivers.posted:
        digest = hmac.new(secret.encode(), posting.body, hashlib.sha256).digest()
        assert posting.headers[SIGNATURE] == base64.b64encode(digest).decode()
        assert posting.headers["Authorization"] == "Bearer s3cret"
    assert await states(stage, app) == [("succeeded", 1, 200, None)] * 6


async def test_what_nobody_asked_for_is_not_written_down(stage):
    app, other = await stage.app(), await stage.app("other")
    await add(stage, app, include=["api:formation"])
    for each in (app, other):
        await stage.push(each)
    await stage.work()
    assert {event.include for event in await webhooks.events(stage.panel, app, 50)} == {"api:formation"}
    assert await webhooks.events(stage.panel, other, 50) == []


async def test_scaling_tells_the_number_of_dynos(stage, app):
    await add(stage, app, include=["api:formation"])
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    await deliver(stage)
    [body] = bodies(stage)
    assert (body["action"], body["data"]["type"], body["data"]["quantity"]) == ("update", "web", 2)


@pytest.mark.parametrize(("answer", "said"), [(500, "It answered 500."), (302, "redirects are not followed"), (None, "gave no answer")])
async def test_what_fails_is_sent_again_with_pauses_that_grow_and_a_notification_is_not(stage, app, answer, said):
    await add(stage, app, url="https://sync.example.com/", include=["api:formation"])
    await add(stage, app, url="https://once.example.com/", include=["api:formation"], level="notify")
    stage.panel.receivers.answers = {"sync.example.com": answer, "once.example.com": answer}
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    await deliver(stage)
    await deliver(stage)
    found = {each.level.value: each for each in await webhooks.deliveries(stage.panel, app, 2)}
    assert (found["notify"].status, found["notify"].next_attempt_at) == ("failed", None)
    assert (found["sync"].status, found["sync"].attempts) == ("retrying", 1)
    assert said in found["sync"].error
    assert found["sync"].next_attempt_at - stage.panel.clock.now() == timedelta(minutes=1)
    await due_now(stage)
    await deliver(stage)
    [again] = [each for each in await webhooks.deliveries(stage.panel, app, 2) if each.level == "sync"]
    assert again.next_attempt_at - stage.panel.clock.now() == timedelta(minutes=2)
    stage.panel.receivers.answers = {}
    await due_now(stage)
    await deliver(stage)
    assert ("succeeded", 3, 200, None) in await states(stage, app)


async def test_a_delivery_is_given_up_after_three_days(stage, app):
    await add(stage, app, include=["api:formation"])
    stage.panel.receivers.answers = {"example.com": 500}
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    stage.panel.clock.advance(timedelta(hours=72).total_seconds())
    await deliver(stage)
    assert await states(stage, app) == [("failed", 1, 500, "It answered 500.")]


async def test_a_worker_that_dies_leaves_the_delivery_to_another_and_can_write_nothing_more(stage, app):
    await add(stage, app, include=["api:formation"])
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    async with stage.panel.transaction() as conn:
        lost = await rows.claim(conn, 0)
    await deliver(stage)
    assert await states(stage, app) == [("succeeded", 2, 200, None)]
    async with stage.panel.transaction() as conn:
        assert not await rows.finish(conn, lost.delivery, "failed", code=None, error="late", due_at=None)


async def test_one_apps_deliveries_leave_room_for_those_of_others(stage, app):
    other = await stage.app("other")
    for each in (app, other):
        for number in range(3):
            await add(stage, each, url=f"https://example.com/{number}", include=["api:formation"])
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    await stage.push(other)
    await stage.work()
    async with stage.panel.transaction() as conn:
        claimed = [await rows.claim(conn, 60) for _ in range(6)]
    assert [each.event.app_name for each in claimed if each] == ["hello", "hello", "other", "other"]


async def test_organizations_take_turns_however_many_apps_they_have(stage, app):
    acme = await organizations.create(stage.panel, stage.admin, "Acme")
    theirs = await apps.create(stage.panel, stage.admin, "theirs", organization_id=acme.id)
    many = [await stage.app(f"many{number}") for number in range(4)]
    for each in (*many, theirs):
        await add(stage, each, include=["api:build"])
        await stage.push(each)
    async with stage.panel.transaction() as conn:
        claimed = [await rows.claim(conn, 60) for _ in range(6)]
    assert [each.event.app_name for each in claimed if each] == ["many0", "theirs", "many1", "many2", "many3"]


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ({"url": "http://example.com/"}, Invalid, "https"),
        ({"url": "https://user:s3cret@example.com/"}, Invalid, "no user, password"),
        ({"url": "https://"}, Invalid, "not a URL"),
        ({"url": "https://example.com:99999/s3cret"}, Invalid, "not a URL"),
        ({"url": "https://exa mple.com/s3cret"}, Invalid, "not a URL"),
        ({"url": "https://example.com/\r\ns3cret"}, Invalid, "not a URL"),
        ({"url": f"https://example.com/{'a' * 1000}"}, Invalid, "not a URL"),
        ({"url": "https://127.0.0.1/"}, Denied, "not a public server"),
        ({"include": []}, Invalid, "at least one"),
        ({"include": ["api:addon-attachment"]}, Invalid, "no events of .api:addon-attachment"),
        ({"include": ["dyno"]}, Invalid, "no events of .dyno"),
        ({"level": "often"}, Invalid, "not a level"),
        ({"secret": "s3cret\n"}, Invalid, "secret does not fit"),
        ({"authorization": "s3cret\r\nHost: x"}, Invalid, "authorization header does not fit"),
    ],
)
async def test_what_cannot_be_a_webhook_is_refused_without_its_secrets(stage, app, values, kind, said):
    with pytest.raises(kind, match=said) as refused:
        await add(stage, app, **values)
    assert "s3cret" not in str(refused.value)
    assert await webhooks.of(stage.panel, app) == []


async def test_a_private_network_is_allowed_by_the_setting(stage, app):
    await settings.change(stage.panel, stage.admin, {"webhook_networks": "127.0.0.0/8"})
    webhook, _ = await add(stage, app, url="https://127.0.0.1/", include=["api:formation"])
    await settings.change(stage.panel, stage.admin, {"webhook_networks": ""})
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    await deliver(stage)
    [(status, _, _, error)] = await states(stage, app)
    assert (status, webhook.host) == ("retrying", "127.0.0.1")
    assert "not a public server" in error


async def test_an_app_has_so_many_webhooks_and_no_more(stage, app):
    for _ in range(MAX_WEBHOOKS):
        await add(stage, app)
    with pytest.raises(Conflict, match=f"has {MAX_WEBHOOKS} webhooks"):
        await add(stage, app)


async def test_another_server_does_not_get_the_authorization_header_of_the_last_one(stage, app):
    webhook, _ = await add(stage, app, include=["api:formation"], authorization="Bearer s3cret")
    base = webhook.url.rsplit("/", 1)[0]

    async def sent(quantity, **values):
        await webhooks.change(stage.panel, app, stage.admin, webhook.id, values)
        await scale.scale(stage.panel, app, {"web": quantity}, stage.admin)
        await deliver(stage)
        return stage.panel.receivers.posted[-1].headers.get("Authorization")

    assert await sent(2, url=f"{base}/elsewhere") == "Bearer s3cret"
    assert await sent(3, url=f"{base}:443/") == "Bearer s3cret"
    assert await sent(4, url="https://other.example.net/", authorization="Bearer other") == "Bearer other"
    assert await sent(5, url="https://other.example.net:8443/") is None


async def test_too_many_deliveries_do_not_wait_for_one_webhook(stage, app, monkeypatch):
    monkeypatch.setattr(rules, "MAX_WAITING", 2)
    await add(stage, app, include=["api:formation"])
    await add(stage, app, include=["api:formation"], url="https://other.example.net/")
    for quantity in (2, 3, 4):
        await scale.scale(stage.panel, app, {"web": quantity}, stage.admin)
    await deliver(stage)
    found = await states(stage, app)
    assert found[:4] == [("succeeded", 1, 200, None)] * 4
    assert found[4:] == [("failed", 0, None, "More than 2 deliveries waited for this webhook.")] * 2
    assert sorted(body["data"]["quantity"] for body in bodies(stage)) == [3, 3, 4, 4]


async def test_a_webhook_of_another_app_is_not_found(stage, app):
    other = await stage.app("other")
    webhook, _ = await add(stage, other)
    for act in (webhooks.get, lambda *rest: webhooks.remove(rest[0], rest[1], stage.admin, rest[2])):
        with pytest.raises(NotFound):
            await act(stage.panel, app, webhook.id)
    with pytest.raises(NotFound):
        await webhooks.change(stage.panel, app, stage.admin, webhook.id, {"level": "notify"})


async def test_an_app_that_changes_hands_tells_its_old_owner_nothing_more(stage, app):
    await add(stage, app)
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    to = await organizations.create(stage.panel, stage.admin, "Acme")
    await transfer.transfer(stage.panel, app, to, stage.admin)
    assert await webhooks.of(stage.panel, app) == []
    assert await webhooks.events(stage.panel, app, 5) == []


async def test_events_and_deliveries_are_kept_for_days(stage, app):
    await add(stage, app, include=["api:formation"])
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    async with stage.panel.transaction() as conn:
        await conn.execute(update(webhook_events).values(created_at=stage.panel.clock.now() - KEPT - timedelta(minutes=1)))
    await scale.scale(stage.panel, app, {"web": 1}, stage.admin)
    await garbage.collect(stage.panel)
    assert len(await webhooks.deliveries(stage.panel, app, 5)) == len(await webhooks.events(stage.panel, app, 5)) == 1


async def test_secrets_get_the_new_key_when_keys_rotate(stage, app):
    await add(stage, app, authorization="Bearer x")
    assert await secrets.reencrypt(stage.panel) >= 1
    await scale.scale(stage.panel, app, {"web": 2}, stage.admin)
    await deliver(stage)
    assert stage.panel.receivers.posted[0].headers["Authorization"] == "Bearer x"
