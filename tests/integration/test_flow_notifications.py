"""Mails about what happened: who gets them, once, and who turned them off."""

from decimal import Decimal

import pytest

from skypanel.domain.access import Role
from skypanel.domain.notification import Notification
from skypanel.flow import billing, build, mail, notifications, organizations, settings, wallet
from skypanel.store import builds

MAIL = {"smtp_host": "smtp.example.com", "mail_sender": "panel@example.com"}
PAGE = "/account/notifications"


@pytest.fixture
async def with_mail(stage):
    await settings.change(stage.panel, stage.admin, MAIL)


async def mails(stage):
    await mail.deliver(stage.panel, lambda: False)
    return [(each.to, each.subject) for each in stage.panel.mailer.sent]


@pytest.mark.usefixtures("with_mail")
async def test_who_pushed_is_told_once_that_the_build_failed(stage):
    app = await stage.app()
    stage.panel.builder.answer("compile", code=1)
    pushed = await stage.push(app)
    await stage.work()
    await build.expire(stage.panel)
    assert await mails(stage) == [(stage.admin.email, "The deploy of hello failed")]
    assert f"/apps/hello/deploys/{pushed.id}\n" in stage.panel.mailer.sent[0].text


@pytest.mark.usefixtures("with_mail")
async def test_a_build_whose_worker_was_lost_and_a_release_that_fails_are_told_too(stage):
    app = await stage.app()
    await stage.push(app)
    async with stage.panel.transaction() as conn:
        assert await builds.claim(conn, "a worker that dies", 0, 2)
    await build.expire(stage.panel)
    assert len(await mails(stage)) == 1
    stage.panel.scheduler.unready.add(1)
    await stage.push(app, "second")
    await stage.work()
    assert len(await mails(stage)) == 2


@pytest.mark.usefixtures("with_mail")
async def test_a_cancelled_deploy_is_no_failure(stage):
    app = await stage.app()
    await stage.push(app)
    await build.cancel(stage.panel, app.id, "Somebody cancelled it.")
    await stage.work()
    assert await mails(stage) == []


@pytest.mark.usefixtures("with_mail")
async def test_who_turned_a_mail_off_gets_none_of_that_kind(stage):
    await notifications.choose(stage.panel, stage.admin, [Notification.APPS_STOPPED, "odd"])
    assert await notifications.wanted(stage.panel, stage.admin) == {Notification.APPS_STOPPED}
    app = await stage.app()
    stage.panel.builder.answer("compile", code=1)
    await stage.push(app)
    await stage.work()
    assert await mails(stage) == []


async def test_without_a_mail_server_nothing_waits(stage):
    app = await stage.app()
    stage.panel.builder.answer("compile", code=1)
    await stage.push(app)
    await stage.work()
    await settings.change(stage.panel, stage.admin, MAIL)
    assert await mails(stage) == []


@pytest.mark.usefixtures("with_mail")
async def test_owners_are_told_once_that_an_empty_wallet_stopped_their_apps(stage):
    await settings.change(stage.panel, stage.admin, {"billing": "true", "starting_credit": "1"})
    acme = await organizations.create(stage.panel, stage.admin, "Acme")
    await organizations.add_member(stage.panel, acme, (await stage.outsider()).email, Role.ADMIN, stage.admin)
    await wallet.credit(stage.panel, acme, Decimal(-1), "nothing left", stage.admin)
    await billing.review(stage.panel)
    assert await mails(stage) == [(stage.admin.email, "The apps of Acme stopped")]
    assert f"/organizations/{acme.id}/billing\n" in stage.panel.mailer.sent[0].text


@pytest.mark.usefixtures("with_mail")
async def test_owners_are_told_once_in_a_while_that_a_wallet_is_low(admin, stage, app, main):
    await settings.change(stage.panel, stage.admin, {"billing": "true"})
    await wallet.set_billed(stage.panel, main, stage.admin, billed=True)
    page = f"/organizations/{main.id}/billing"
    assert "0.0200 USD an hour, it lasts for about 5000 hours." in await admin.page(page)
    assert await mails(stage) == []
    # What is left for 71 hours is little.
    await wallet.credit(stage.panel, main, Decimal("-98.58"), "almost nothing", stage.admin)
    await billing.review(stage.panel)
    assert await mails(stage) == [(stage.admin.email, "The wallet of Main is low")]
    assert "lasts for about 71 hours." in stage.panel.mailer.sent[0].text
    assert f"{page}\n" in stage.panel.mailer.sent[0].text
    assert "The wallet is low" in await admin.page(page)
    await wallet.credit(stage.panel, main, Decimal("0.02"), "enough", stage.admin)
    assert "The wallet is low" not in await admin.page(page)
    await settings.change(stage.panel, stage.admin, {"wallet_low_hours": "73"})
    await billing.review(stage.panel)
    assert [subject for _, subject in await mails(stage)] == ["The wallet of Main is low"] * 2
    await settings.change(stage.panel, stage.admin, {"wallet_low_hours": "0"})
    await billing.review(stage.panel)
    assert "The wallet is low" not in await admin.page(page)
    assert len(await mails(stage)) == 2


async def test_an_organization_that_does_not_pay_is_not_warned(stage, app, main):
    await settings.change(stage.panel, stage.admin, {"billing": "true", **MAIL})
    await wallet.credit(stage.panel, main, Decimal("-99.99"), "almost nothing", stage.admin)
    assert await mails(stage) == []


async def test_the_page_shows_and_saves_what_comes(admin, stage):
    page = await admin.page(PAGE)
    assert "This panel sends no mail." in page
    assert page.count("checked") == 5
    sent = await admin.send(PAGE, page=PAGE, deploy_failed="on")
    assert sent.headers["Location"] == PAGE
    assert await notifications.wanted(stage.panel, stage.admin) == {Notification.DEPLOY_FAILED}
    await settings.change(stage.panel, stage.admin, MAIL)
    page = await admin.page(PAGE)
    assert "This panel sends no mail." not in page
    assert page.count("checked") == 1


async def test_only_administrators_are_offered_mails_about_nodes(new_client, stage):
    client = await new_client()
    await client.sign_in(await stage.outsider())
    page = await client.page(PAGE)
    assert 'name="node_inactive"' not in page
    assert 'name="deploy_failed"' in page
