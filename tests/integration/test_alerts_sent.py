"""Alerts, from the rule to servers of HTTP and SMTP that are real."""

import json
from dataclasses import replace

import pytest
from aiohttp import web
from sqlalchemy import text

from skypanel.drivers.mail.smtp import SmtpMailer
from skypanel.drivers.notifier import services
from skypanel.drivers.notifier.services import AppriseNotifier
from skypanel.flow import alert_destinations, alert_sending, settings, watch
from tests.fixtures.mail_server import Inbox, running_mail_server
from tests.fixtures.proxy import serve

NODE = """
    INSERT INTO paas_nodes (name, address, port, "user", host_key, kind, secret, state, wanted, heartbeat_at, member)
    VALUES ('one', '10.0.0.1', 22, 'root', 'key', 'key', '', 'active', 'active', now() - interval '1 minute', 'm1')
"""


@pytest.mark.req("R5.5")
async def test_administrators_who_chose_it_are_told_by_mail_and_by_a_service_that_a_node_is_inactive(stage, monkeypatch):
    monkeypatch.setattr(services, "SEND_S", 120.0)
    stage.panel = panel = replace(stage.panel, load_mailer=SmtpMailer, load_notifier=AppriseNotifier)
    inbox, posted = Inbox(), []

    async def hook(request):
        posted.append(json.loads(await request.text()))
        return web.Response()

    runner, endpoint = await serve([web.post("/k3y-of-a-hook", hook)])
    try:
        async with running_mail_server(inbox) as port:
            mail = {"smtp_host": "127.0.0.1", "smtp_port": str(port), "smtp_security": "none", "mail_sender": "panel@example.com"}
            await settings.change(panel, stage.admin, mail | {"webhook_networks": "127.0.0.0/8"})
            for name, url in (("Post", "ops@example.com"), ("Hook", f"json://{endpoint}/k3y-of-a-hook")):
                await alert_destinations.add(panel, stage.admin, None, name=name, url=url)
            panel.swarm.join("m1")
            async with panel.transaction() as conn:
                await conn.execute(text(NODE))
            for _ in range(2):
                await watch.check(panel)
                await alert_sending.deliver(panel, lambda: False)
    finally:
        await runner.cleanup()
    assert [destination.error for destination in await alert_destinations.of(panel, stage.admin, None)] == [None, None]
    [(_, recipients, message)] = inbox.mails
    [body] = posted
    assert recipients == ["ops@example.com"]
    assert message["Subject"] == body["title"] == "SkyPanel: A node is inactive"
    for content in (message.get_content(), body["message"]):
        assert "Alert: The node one has sent no heartbeat for 30 s." in content
        assert "/admin/alerts" in content
