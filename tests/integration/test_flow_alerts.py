"""Alerts: what opens and resolves them, and who is told of that, when and how often."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from skypanel.domain.alert import MAX_DESTINATIONS, MOST_AN_HOUR, AlertFilter, AlertKind, Problem
from skypanel.domain.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from skypanel.drivers.clock import SystemClock
from skypanel.flow import alert_destinations, alert_sending, alerts, secrets, settings
from skypanel.store import alert_destinations as rows
from skypanel.store import alerts as alert_rows
from tests.contracts.notifier import NotifierContract
from tests.fakes.notifier import FakeNotifier

ONE, TWO = "jsons://one.example.com/k3y-of-a-hook", "jsons://two.example.com/k3y-of-a-hook"
NODE = AlertKind.NODE_INACTIVE
PLATFORM = AlertFilter()


class TestFakeNotifier(NotifierContract):
    @pytest.fixture
    def notifier(self, failing):
        made = FakeNotifier()
        made.failing.add(failing)
        return made

    @pytest.fixture
    def url(self):
        return "json://localhost/k3y-of-a-hook"

    @pytest.fixture
    def failing(self):
        return "json://localhost/failing"

    @pytest.fixture
    def networks(self):
        return ("127.0.0.0/8",)

    @pytest.fixture
    def shown(self, notifier):
        return lambda: [(message.title, message.text) for _, message in notifier.sent]


@pytest.fixture
def notifier(stage):
    return stage.panel.notifier


async def add(stage, organization=None, url=ONE, **values):
    return await alert_destinations.add(stage.panel, stage.admin, organization, name="Operations", url=url, **values)


async def open_(stage, subject="one", kind=NODE, **values):
    async with stage.panel.transaction() as conn:
        return await alert_rows.add(conn, kind, Problem(subject, f"The node {subject} is down.", **values))


async def resolve(stage, subject="one", kind=NODE):
    async with stage.panel.transaction() as conn:
        return await alert_rows.resolve(conn, kind, subject)


async def deliver(stage):
    await alert_sending.deliver(stage.panel, lambda: False)


async def later(stage, length):
    """Let time pass in the database: everything of messages and silences is so much older."""
    async with stage.panel.transaction() as conn:
        for statement in (
            "UPDATE paas_alert_destinations SET due_at = due_at - :by, sent = ARRAY(SELECT t - :by FROM unnest(sent) t ORDER BY t)",
            "UPDATE paas_alert_messages SET due_at = due_at - :by",
            "UPDATE paas_alert_silences SET until = until - :by",
        ):
            await conn.execute(text(statement).bindparams(by=length))


def told(notifier):
    """Return the lines of each message, without the link at its end."""
    return [message.text.split("\n\n")[0].splitlines() for _, message in notifier.sent]


async def shown(stage, wanted=PLATFORM):
    return [each.message for each in (await alerts.history(stage.panel, stage.admin, wanted, 1)).items if each.resolved_at is None]


class TestSending:
    @pytest.mark.req("R5.5")
    async def test_administrators_are_told_once_that_a_node_is_down_and_once_that_it_is_back(self, stage, notifier):
        await add(stage)
        for _ in range(3):
            await open_(stage)
            await deliver(stage)
        assert told(notifier) == [["Alert: The node one is down."]]
        [(url, message)] = notifier.sent
        assert url == ONE
        assert message.title == "SkyPanel: A node is inactive"
        assert message.text.endswith("/admin/alerts")
        for _ in range(2):
            await resolve(stage)
            await deliver(stage)
        assert told(notifier)[1:] == [["Resolved: The node one is down."]]
        assert await open_(stage)
        await deliver(stage)
        assert len(notifier.sent) == 3

    async def test_many_workers_at_once_send_a_message_once(self, stage, notifier):
        await add(stage)
        await open_(stage)
        sending, go = asyncio.Event(), asyncio.Event()

        async def hold():
            sending.set()
            await go.wait()

        notifier.before = hold
        first = asyncio.create_task(deliver(stage))
        await asyncio.wait_for(sending.wait(), 60)
        for _ in range(3):
            await asyncio.wait_for(deliver(stage), 60)
        assert notifier.sent == []
        go.set()
        await asyncio.wait_for(first, 60)
        await deliver(stage)
        assert len(notifier.sent) == 1

    async def test_what_a_worker_that_died_had_claimed_is_sent_by_another(self, stage, notifier):
        await add(stage)
        await open_(stage)
        async with stage.panel.transaction() as conn:
            lost = await rows.claim(conn, MOST_AN_HOUR, timedelta(hours=1), 60)
        await deliver(stage)
        assert notifier.sent == []
        async with stage.panel.transaction() as conn:
            await conn.execute(text("UPDATE paas_alert_destinations SET busy_until = now()"))
        await deliver(stage)
        assert len(notifier.sent) == 1
        async with stage.panel.transaction() as conn:
            assert not await rows.sent(conn, lost, [], MOST_AN_HOUR)
            await rows.failed(conn, lost, "too late", timedelta(hours=1))
        [destination] = await alert_destinations.of(stage.panel, stage.admin, None)
        assert destination.error is None

    async def test_what_fails_is_sent_again_after_pauses_and_says_why(self, stage, notifier):
        await add(stage)
        notifier.failing.add(ONE)
        await open_(stage)
        await deliver(stage)
        [destination] = await alert_destinations.of(stage.panel, stage.admin, None)
        assert "it answered 500" in destination.error
        notifier.failing.clear()
        await deliver(stage)
        assert notifier.sent == []
        await later(stage, timedelta(minutes=2))
        await deliver(stage)
        assert len(notifier.sent) == 1
        [destination] = await alert_destinations.of(stage.panel, stage.admin, None)
        assert destination.error is None
        assert destination.sent_at is not None

    async def test_one_that_fails_holds_up_no_other(self, stage, notifier):
        await add(stage)
        await add(stage, url=TWO)
        notifier.failing.add(ONE)
        await open_(stage)
        await deliver(stage)
        assert [url for url, _ in notifier.sent] == [TWO]

    async def test_after_a_day_a_message_is_dropped(self, stage, notifier):
        await add(stage)
        await open_(stage)
        await later(stage, timedelta(hours=25))
        await alerts.sweep(stage.panel)
        await deliver(stage)
        assert notifier.sent == []

    async def test_within_an_hour_there_are_so_many_messages_and_the_rest_is_summed_up_in_one(self, stage, notifier):
        await add(stage)
        for number in range(MOST_AN_HOUR + 30):
            await open_(stage, f"n{number}")
            await deliver(stage)
        assert len(notifier.sent) == MOST_AN_HOUR
        await later(stage, timedelta(hours=1))
        await deliver(stage)
        await deliver(stage)
        assert len(notifier.sent) == MOST_AN_HOUR + 1
        *lines, last = told(notifier)[-1]
        assert lines == [f"Alert: The node n{number} is down." for number in range(MOST_AN_HOUR, MOST_AN_HOUR + 20)]
        assert last == "And 10 more."
        assert notifier.sent[-1][1].title == "SkyPanel: 30 alerts, 0 resolved"

    async def test_mail_takes_the_panels_way(self, stage):
        await add(stage, url="ops@example.com")
        await open_(stage)
        await deliver(stage)
        [destination] = await alert_destinations.of(stage.panel, stage.admin, None)
        assert destination.service == "Mail"
        assert "sends no mail" in destination.error
        await settings.change(stage.panel, stage.admin, {"smtp_host": "smtp.example.com", "mail_sender": "panel@example.com"})
        await later(stage, timedelta(minutes=2))
        await deliver(stage)
        [mail] = stage.panel.mailer.sent
        assert (mail.to, mail.subject) == ("ops@example.com", "SkyPanel: A node is inactive")

    async def test_a_removed_destination_gets_nothing_and_a_new_one_nothing_of_before(self, stage, notifier):
        made = await add(stage)
        await open_(stage)
        await alert_destinations.remove(stage.panel, stage.admin, None, made.id)
        await add(stage, url=TWO)
        await deliver(stage)
        await resolve(stage)
        await deliver(stage)
        assert notifier.sent == []

    async def test_of_rules_that_it_did_not_choose_it_gets_nothing(self, stage, notifier):
        made = await add(stage, muted=[NODE])
        await open_(stage)
        await open_(stage, kind=AlertKind.QUEUE_STUCK)
        await deliver(stage)
        assert len(notifier.sent) == 1
        await alert_destinations.choose(stage.panel, stage.admin, None, made.id, [NODE])
        await open_(stage, "two")
        await open_(stage, "two", AlertKind.DISK_FULL)
        await deliver(stage)
        assert told(notifier)[1:] == [["Alert: The node two is down."]]


class TestWhoIsTold:
    async def test_an_organization_of_its_apps_and_nobody_else(self, stage, main, app, acme, notifier):
        await add(stage, main)
        await add(stage, acme, url=TWO)
        await add(stage, url="jsons://admins.example.com")
        await open_(stage, str(app.id), AlertKind.DEPLOY_FAILED, app_id=app.id)
        await open_(stage, str(acme.id), AlertKind.WALLET_LOW, organization_id=acme.id)
        await open_(stage)
        await deliver(stage)
        assert sorted((url, message.title) for url, message in notifier.sent) == [
            ("jsons://admins.example.com", "SkyPanel: A node is inactive"),
            (ONE, "SkyPanel: The last deploy of an app failed"),
            (TWO, "SkyPanel: A wallet is low"),
        ]
        links = {url: message.text.splitlines()[-1] for url, message in notifier.sent}
        assert links[ONE].endswith(f"/organizations/{main.id}/alerts")

    async def test_a_lost_domain_is_told_to_both(self, stage, main, app, notifier):
        await add(stage, main)
        await add(stage, url=TWO)
        await open_(stage, "shop.example.com", AlertKind.DOMAIN_LOST, app_id=app.id)
        await deliver(stage)
        assert sorted(url for url, _ in notifier.sent) == [ONE, TWO]
        assert await shown(stage) == await shown(stage, AlertFilter(app_id=app.id)) != []

    async def test_who_may_read_and_do_what(self, stage, main, acme, app):
        outsider = await stage.outsider()
        await open_(stage)
        await open_(stage, str(app.id), AlertKind.CRASH_LOOP, app_id=app.id)
        with pytest.raises(Denied):
            await alerts.history(stage.panel, outsider, PLATFORM, 1)
        with pytest.raises(Denied):
            await alert_destinations.of(stage.panel, outsider, None)
        part = await alerts.history(stage.panel, outsider, AlertFilter(organization_id=main.id, kind=AlertKind.CRASH_LOOP, is_open=True), 1)
        [alert] = part.items
        assert (part.total, alert.app_id) == (1, app.id)
        for organization in (acme, None):
            for attempt in (
                alerts.resolve(stage.panel, stage.admin, alert.id, organization),
                alerts.silence(stage.panel, stage.admin, alert.id, timedelta(hours=1), organization),
            ):
                with pytest.raises(NotFound):
                    await attempt
        made = await add(stage, main)
        for attempt in (
            alert_destinations.remove(stage.panel, stage.admin, acme, made.id),
            alert_destinations.try_out(stage.panel, stage.admin, None, made.id),
            alert_destinations.choose(stage.panel, stage.admin, acme, made.id, []),
        ):
            with pytest.raises(NotFound):
                await attempt
        await alerts.resolve(stage.panel, stage.admin, alert.id, main)
        assert await shown(stage, AlertFilter(organization_id=main.id)) == []


class TestSilence:
    async def silenced(self, stage, length=timedelta(hours=1)):
        [alert] = (await alerts.history(stage.panel, stage.admin, AlertFilter(is_open=True), 1)).items
        await alerts.silence(stage.panel, stage.admin, alert.id, length)

    @pytest.fixture
    def stage(self, stage):
        """The panel's clock is the database's."""
        stage.panel = replace(stage.panel, clock=SystemClock())
        return stage

    async def test_for_a_time_nothing_is_sent_and_what_is_still_open_then_is(self, stage, notifier):
        await add(stage)
        await open_(stage)
        await self.silenced(stage)
        await deliver(stage)
        assert notifier.sent == []
        [alert] = (await alerts.history(stage.panel, stage.admin, PLATFORM, 1)).items
        assert alert.silent_until is not None
        await later(stage, timedelta(hours=2))
        await deliver(stage)
        assert told(notifier) == [["Alert: The node one is down."]]

    async def test_what_opens_and_ends_in_silence_is_never_told(self, stage, notifier):
        await add(stage)
        await open_(stage)
        await deliver(stage)
        await self.silenced(stage)
        await resolve(stage)
        await open_(stage)
        await resolve(stage)
        await open_(stage, "two")
        await later(stage, timedelta(hours=2))
        await deliver(stage)
        assert told(notifier) == [["Alert: The node one is down."], ["Alert: The node two is down."]]


class TestDestinations:
    async def test_a_test_sends_now_and_says_why_not(self, stage, notifier):
        made = await add(stage)
        await alert_destinations.try_out(stage.panel, stage.admin, None, made.id)
        assert [message.title for _, message in notifier.sent] == ["SkyPanel: this works"]
        notifier.failing.add(ONE)
        with pytest.raises(Unavailable, match="it answered 500"):
            await alert_destinations.try_out(stage.panel, stage.admin, None, made.id)

    async def test_private_addresses_are_refused_unless_the_setting_allows_them(self, stage):
        made = await add(stage, url="json://127.0.0.1/hook")
        with pytest.raises(Denied, match="not a public server"):
            await alert_destinations.try_out(stage.panel, stage.admin, None, made.id)
        await settings.change(stage.panel, stage.admin, {"webhook_networks": "127.0.0.0/8"})
        await alert_destinations.try_out(stage.panel, stage.admin, None, made.id)

    @pytest.mark.parametrize("url", ["", "nobody", "a@b@c", "ftp://example.com/k3y-of-a-hook", "x\ny@example.com", f"json://{'x' * 1000}"])
    async def test_what_is_no_destination_is_refused_without_being_shown(self, stage, url):
        with pytest.raises(Invalid) as refused:
            await add(stage, url=url)
        assert "k3y-of-a-hook" not in f"{refused.value} {refused.value.hint}"

    async def test_it_needs_a_name_and_there_are_only_so_many(self, stage):
        with pytest.raises(Invalid, match="needs a name"):
            await alert_destinations.add(stage.panel, stage.admin, None, name="", url=ONE)
        for _ in range(MAX_DESTINATIONS):
            await add(stage)
        with pytest.raises(Conflict, match=f"There are {MAX_DESTINATIONS} destinations"):
            await add(stage)

    async def test_a_url_is_stored_encrypted_and_rotated_with_the_key(self, stage):
        made = await add(stage)
        async with stage.panel.transaction() as conn:
            stored = (await rows.secrets(conn))[made.id]
            everywhere = await conn.all(
                text("SELECT name, service FROM paas_alert_destinations UNION SELECT '', details::text FROM paas_audit_log")
            )
        assert stored != ONE.encode()
        assert "k3y-of-a-hook" not in str(everywhere)
        await secrets.reencrypt(stage.panel)
        async with stage.panel.transaction() as conn:
            assert stage.panel.cipher.decrypt((await rows.secrets(conn))[made.id]) == ONE
