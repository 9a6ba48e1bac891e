"""A domain of an app from its claim to its end, and what visitors meet on the way to a dyno, on whichever engine.

A subclass's module has a fixture `front`, a running panel, the fixtures `site` and `old` of here, and of tests.journeys.heroku_cli the
fixture `program`.
"""

import json
import re
import socket
import ssl
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse

import pytest

from skypanel.domain.manifest import STOP_GRACE_S
from tests.fixtures.name_server import NameServer, name_server
from tests.fixtures.pebble import Pebble, running_pebble
from tests.journeys.harness import PanelUnderTest, wait_for
from tests.journeys.heroku_cli import Heroku, unbroken

APP, NAME = "door", "www.example.com"
HERE = "198.51.100.5"
# A busy machine takes its time to start containers.
WITHIN_S = 60
FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X_Forwarded_For": "6.6.6.6",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "66",
    "X-Real-Ip": "6.6.6.6",
    "Forwarded": "for=6.6.6.6",
    "X-Request-Start": "66",
}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@dataclass
class Site:
    """An app with a domain, the domain's DNS, and the certificate authority."""

    front: PanelUnderTest
    heroku: Heroku
    dns: NameServer
    pebble: Pebble

    def connect(self, *, is_secure: bool = True) -> HTTPConnection:
        """Connect to the panel's proxy as a client that trusts the authority alone. Raises ssl.SSLError."""
        port = self.front.ports[2 if is_secure else 1]
        connection = HTTPConnection(NAME, port)
        connection.sock = socket.create_connection(("127.0.0.1", port), WITHIN_S)
        if is_secure:
            trusting = ssl.create_default_context(cadata=self.pebble.root)
            connection.sock = trusting.wrap_socket(connection.sock, server_hostname=NAME)
        return connection

    def ask(self, path: str = "/", *, is_secure: bool = True, method: str = "GET", body: str | None = None, **headers: str):
        """Return the response to a request, and its body."""
        connection = self.connect(is_secure=is_secure)
        try:
            connection.request(method, path, body, {"Accept": "application/json", **headers})
            with connection.getresponse() as response:
                return response, response.read().decode()
        finally:
            connection.close()

    def code(self) -> str:
        """Return the code of the error that a visitor is told, or nothing."""
        response, body = self.ask()
        return json.loads(body)["id"] if response.status == HTTPStatus.SERVICE_UNAVAILABLE else ""

    def has_certificate(self) -> bool:
        try:
            self.connect().close()
        except ssl.SSLCertVerificationError:
            return False
        return True


@dataclass
class Streams:
    """An event stream and a WebSocket of one dyno. Of the events, `first_s` and `last_s` are when the dyno sent those after its SIGTERM."""

    events: HTTPResponse
    socket: socket.socket
    first_s: float = 0.0
    last_s: float = 0.0

    def next_event(self) -> bool:
        """Read one event, and say whether there was one."""
        try:
            line = self.events.readline()
            self.events.readline()
        except (OSError, HTTPException):
            return False
        word, _, at = line.decode().removeprefix("data: ").partition(" ")
        if word == "stopping":
            self.last_s = float(at)
            self.first_s = self.first_s or self.last_s
        return bool(line)

    def echo(self, text: bytes) -> bytes:
        """Send a text of up to 125 bytes, with a mask of zeros, and return the answer. It is empty if the WebSocket has ended."""
        try:
            self.socket.sendall(bytes((0x81, 0x80 | len(text))) + bytes(4) + text)
            return self.socket.recv(2 + len(text))[2:]
        except OSError:
            return b""


@contextmanager
def open_streams(site: Site) -> Iterator[Streams]:
    with closing(site.connect()) as following, closing(site.connect()) as talking:
        following.request("GET", "/events")
        talking.request("GET", "/socket", headers=UPGRADE)
        assert talking.getresponse().status == HTTPStatus.SWITCHING_PROTOCOLS
        with following.getresponse() as events:
            yield Streams(events, talking.sock)


@pytest.fixture(scope="module")
def site(front, program, tmp_path_factory):
    """An app whose domain leads to it, with a certificate of an authority that asks for its proof at the panel's port."""
    heroku = Heroku(front, program, front.token)
    front.repository("python-streams").push(APP)
    with name_server() as dns, running_pebble(tmp_path_factory.mktemp("pebble"), http_port=front.ports[1]) as pebble:
        told = f"acme_directory={pebble.authority.directory}", f"acme_ca_bundle={pebble.authority.trusted}"
        front.cli("settings", "set", f"dns_resolvers=127.0.0.1:{dns.port}", f"public_addresses={HERE}", *told)
        said = unbroken(heroku("domains:add", NAME, "-a", APP))
        record = re.search(r"(_skypanel-challenge\.www\.example\.com) with the value ([0-9a-f]{32})", said)
        dns.put(record[1], "TXT", record[2])
        dns.put(NAME, "CNAME", "target.example.com.")
        dns.put("target.example.com", "A", HERE)
        heroku("domains:wait", NAME, "-a", APP)
        made = Site(front, heroku, dns, pebble)
        wait_for("the certificate", made.has_certificate, WITHIN_S)
        yield made
        front.cli("settings", "set", "dns_resolvers=", "public_addresses=", "acme_directory=", "acme_ca_bundle=")
    front.cli("destroy", APP, "--confirm", APP)


@pytest.fixture(scope="module")
def old(site):
    """The streams of a dyno that a restart has replaced since."""
    with open_streams(site) as streams:
        assert (streams.next_event(), streams.echo(b"before")) == (True, b"before")
        site.front.cli("restart", APP)
        yield streams


class FrontDoorContract:
    # What a visitor is told after all dynos have crashed.
    crash_codes: Collection[str] = ("H10",)

    @pytest.mark.req("R2.1", "R3.4", "R11.2", "R13.2", "R13.3", "R13.4")
    def test_a_domain_has_https_and_its_visitors_are_led_there(self, site):
        response, body = site.ask("/a?b=c")
        assert (response.status, json.loads(body)["dyno"]) == (200, "web.1")
        response, _ = site.ask("/a?b=c", is_secure=False)
        assert (response.status, response.headers["Location"]) == (301, f"https://{NAME}:{site.front.ports[2]}/a?b=c")
        assert "active" in site.front.cli("domains", "list", APP).stdout
        assert NAME in site.heroku("certs:auto", "-a", APP)

    def test_no_visitor_forges_what_a_dyno_is_told_of_him(self, site):
        response, told = site.ask(method="POST", body="asked", **FORGED)
        assert (response.status, json.loads(told)["body"]) == (200, "asked")
        headers = [(name.lower(), value) for name, value in json.loads(told)["headers"]]
        names = [name for name, _ in headers]
        assert len(names) == len(set(names))
        assert not {"forwarded", "x_forwarded_for", "x-forwarded-server"} & set(names)
        arrived, port = dict(headers), str(site.front.ports[2])
        assert [arrived[f"x-forwarded-{name}"] for name in ("proto", "host", "port")] == ["https", f"{NAME}:{port}", port]
        assert (arrived["x-forwarded-for"], arrived["x-real-ip"]) == ("127.0.0.1", "127.0.0.1")
        assert (arrived["via"], arrived["host"]) == ("1.1 skypanel", f"{NAME}:{port}")
        assert not [value for value in arrived.values() if "6.6.6.6" in value or "evil" in value]

    def test_streams_live_through_a_deploy_that_leads_others_to_new_dynos(self, site, old):
        while not old.first_s:
            assert old.next_event()
        assert site.ask()[0].status == HTTPStatus.OK
        assert old.next_event()
        assert old.echo(b"after") == b"after"

    def test_visitors_are_told_why_nobody_answers(self, site):
        front = site.front
        front.cli("maintenance", APP, "on")
        response, body = site.ask(Accept="text/html")
        assert (response.status, "is down for maintenance" in body, "skypanel" in body) == (503, True, False)
        assert site.code() == "H80"
        front.cli("maintenance", APP, "off")
        assert site.ask()[0].status == HTTPStatus.OK
        front.cli("scale", APP, "web=0", "--confirm", APP)
        assert site.code() == "H14"
        front.cli("scale", APP, "web=1")
        assert site.ask()[0].status == HTTPStatus.OK

    def test_of_a_dyno_that_crashes_visitors_are_told_so(self, site):
        def code_after_crash():
            site.ask("/crash")
            return site.code()

        wait_for("the code of a crash", lambda: code_after_crash() in self.crash_codes, WITHIN_S)
        wait_for("another dyno", lambda: site.ask()[0].status == HTTPStatus.OK, 2 * WITHIN_S)
        assert any(f"code={code} " in site.front.cli("logs", APP).stdout for code in self.crash_codes)

    def test_streams_end_when_their_dyno_must(self, old):
        while old.next_event():
            pass
        assert STOP_GRACE_S - 5 < old.last_s - old.first_s < STOP_GRACE_S + 5
        assert old.echo(b"late") == b""

    def test_a_domain_that_is_removed_leads_nowhere(self, site):
        site.heroku("domains:remove", NAME, "-a", APP)
        wait_for("the route to go", lambda: site.front.get_at(NAME).status == 404)
