"""Messages by Apprise, with real servers of HTTP and SMTP. What they may reach is decided where they connect."""

import asyncio
import json
import socket
from ipaddress import ip_network
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from skypanel.domain.alert import TRIAL
from skypanel.domain.errors import Denied, Invalid, Unavailable
from skypanel.drivers.notifier import services
from skypanel.drivers.notifier.services import AppriseNotifier
from tests.contracts.notifier import NotifierContract
from tests.fixtures.mail_server import Inbox, running_mail_server
from tests.fixtures.proxy import serve

HERE = (ip_network("127.0.0.0/8"),)


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """On a machine with much to do, a process takes long to start."""
    monkeypatch.setattr(services, "SEND_S", 120.0)


@pytest.fixture
def posted():
    return []


@pytest.fixture
async def endpoint(posted):
    """A server's address and port; the first part of a path is the status that it answers, or what it does."""

    async def answer(request):
        if request.match_info["status"] == "slowly":
            await asyncio.Event().wait()
        posted.append((request.match_info["rest"], await request.text()))
        headers = {"Location": "/200/elsewhere"} if request.match_info["status"] == "302" else {}
        return web.Response(status=int(request.match_info["status"]), headers=headers)

    runner, endpoint = await serve([web.post("/{status}/{rest:.*}", answer), web.get("/{status}/{rest:.*}", answer)], finish_s=0.1)
    yield endpoint
    await runner.cleanup()


class TestAppriseNotifier(NotifierContract):
    @pytest.fixture
    def notifier(self):
        return AppriseNotifier()

    @pytest.fixture
    def url(self, endpoint):
        return f"json://{endpoint}/200/k3y-of-a-hook"

    @pytest.fixture
    def failing(self, endpoint):
        return f"json://{endpoint}/500/k3y-of-a-hook"

    @pytest.fixture
    def networks(self):
        return HERE

    @pytest.fixture
    def shown(self, posted):
        return lambda: [(body["title"], body["message"]) for body in (json.loads(text) for _, text in posted)]


async def test_other_services_are_spoken_to_in_their_own_words(endpoint, posted):
    await AppriseNotifier().send(f"form://{endpoint}/200/hook", TRIAL, HERE)
    [(path, body)] = posted
    assert path == "hook"
    assert parse_qs(body)["message"] == [TRIAL.text]


async def test_a_name_is_checked_where_it_leads(endpoint, posted):
    by_name = f"json://localhost:{endpoint.rpartition(':')[2]}/200/k3y-of-a-hook"
    with pytest.raises(Denied):
        await AppriseNotifier().send(by_name, TRIAL, ())
    await AppriseNotifier().send(by_name, TRIAL, HERE)
    assert len(posted) == 1


@pytest.mark.parametrize(
    "url",
    [
        "rsyslog://{}",
        "mailto://me:k3y-of-a-hook@{}?to=you@example.com&from=me@example.com",
        "irc://{}/channel",
        "xml://{}/200/k3y-of-a-hook",
    ],
)
async def test_no_way_of_sending_gets_around_the_check(endpoint, posted, url):
    with pytest.raises(Denied):
        await AppriseNotifier().send(url.format(endpoint), TRIAL, ())
    assert posted == []


async def test_a_redirect_is_not_followed(endpoint, posted):
    with pytest.raises(Unavailable, match="it answered 302"):
        await AppriseNotifier().send(f"json://{endpoint}/302/k3y-of-a-hook", TRIAL, HERE)
    assert len(posted) == 1


async def test_a_redirect_that_a_url_asks_for_is_checked_like_everything():
    async def answer(_request):
        raise web.HTTPTemporaryRedirect("http://127.0.0.2:1/")

    runner, endpoint = await serve([web.post("/", answer)])
    try:
        with pytest.raises(Denied):
            await AppriseNotifier().send(f"json://{endpoint}/?redirect=yes", TRIAL, (ip_network("127.0.0.1/32"),))
    finally:
        await runner.cleanup()


async def test_no_file_of_the_machine_is_read(endpoint, posted, tmp_path):
    secret = tmp_path / "template.json"
    secret.write_text('{"text": "a secret of the machine"}')
    url = f"workflows://{endpoint}/workflow/signature/?template={secret}"
    with pytest.raises((Invalid, Unavailable)):
        await AppriseNotifier().send(url, TRIAL, HERE)
    assert "a secret" not in str(posted)


async def test_mail_of_another_server_than_the_panels(posted):
    inbox = Inbox()
    async with running_mail_server(inbox) as port:
        url = f"mailto://127.0.0.1:{port}?to=you@example.com&from=me@example.com&mode=insecure"
        await AppriseNotifier().send(url, TRIAL, HERE)
    [(_, recipients, message)] = inbox.mails
    assert recipients == ["you@example.com"]
    assert message["Subject"] == TRIAL.title


async def test_a_service_that_nobody_runs_is_unavailable():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match="could not be reached"):
            await AppriseNotifier().send(f"json://127.0.0.1:{closed.getsockname()[1]}/", TRIAL, HERE)


async def test_a_service_that_is_silent_ends_with_its_process(endpoint, monkeypatch):
    monkeypatch.setattr(services, "SEND_S", 3.0)
    with pytest.raises(Unavailable, match="within 3 s"):
        await AppriseNotifier().send(f"json://{endpoint}/slowly/k3y-of-a-hook?rto=60", TRIAL, HERE)
