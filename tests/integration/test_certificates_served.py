"""From a domain that leads here to HTTPS: a real panel's application, a real CA that validates, a real proxy."""

import asyncio
import json
import ssl
import stat

import pytest

from skypanel.domain.certificate import CertificateState
from skypanel.drivers.acme.authority import AcmeAuthority
from skypanel.drivers.clock import SystemClock
from skypanel.embedded import routes
from skypanel.flow import certificates, settings, uploaded_certificates
from tests.fixtures.pebble import running_pebble
from tests.fixtures.proxy import TOKEN, running_proxy
from tests.support import factories, pairs
from tests.support.until import until
from web.app import create_app

NAME = "www.example.com"


def connected(stage):
    """Let a stage's panel use a real CA and the real time."""
    vars(stage.panel)["authority"] = AcmeAuthority()
    vars(stage.panel)["clock"] = SystemClock()
    return stage.panel


async def chain_seen(proxy, root, name):
    """Return the certificate that a client gets which trusts the CA alone, or None."""
    trusting = ssl.create_default_context(cadata=root)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.settings.address.https_port, ssl=trusting, server_hostname=name)
    except ssl.SSLCertVerificationError:
        return None
    found = writer.get_extra_info("peercert")
    writer.close()
    await writer.wait_closed()
    assert reader.at_eof()
    return found


@pytest.mark.req("R13.4", "R11.2")
async def test_a_domain_that_leads_here_has_https_seconds_later(stage, tmp_path):
    panel, app = connected(stage), await stage.app()
    (tmp_path / "home").mkdir()
    async with running_proxy(tmp_path / "home", dashboard=lambda settings: create_app(panel, settings)) as proxy:
        with running_pebble(tmp_path / "pebble", http_port=proxy.settings.address.http_port) as pebble:
            authority = pebble.authority
            await settings.change(panel, stage.admin, {"acme_directory": authority.directory, "acme_ca_bundle": authority.trusted})
            async with panel.transaction() as conn:
                await factories.domain(conn, app.id, NAME)
            assert await chain_seen(proxy, pebble.root, NAME) is None

            async def is_active():
                await certificates.work(panel, "worker")
                state = (await certificates.states(panel, [NAME]))[NAME]
                assert state.problem == ""
                return state.state is CertificateState.ACTIVE

            await until(is_active)
            seen = await until(lambda: chain_seen(proxy, pebble.root, NAME))
            assert seen["subjectAltName"] == (("DNS", NAME),)
            kept = proxy.settings.run_dir / routes.CONFIGURATION
            await until(lambda: "PRIVATE KEY" in kept.read_text())
            assert stat.S_IMODE(kept.stat().st_mode) == 0o600
            async with proxy.session.get(
                f"http://127.0.0.1:{proxy.settings.traefik_port}/api/rawdata", headers={"X-SkyPanel-Proxy-Token": TOKEN}
            ) as told:
                assert "PRIVATE" not in json.dumps(await told.json())
            panel.authority.close()


@pytest.mark.req("R13.2", "R13.4")
async def test_an_upload_is_shown_for_names_of_its_own_app_alone(stage, tmp_path):
    panel, app = connected(stage), await stage.app()
    async with panel.transaction() as conn:
        other = await factories.app(conn, "other")
        for of, name in ((app, NAME), (app, "blog.example.com"), (other, "shop.example.com")):
            await factories.domain(conn, of.id, name)
    root = pairs.AUTHORITY.certificate.decode()
    # The second one would be shown for the other app's name as well.
    for names in ((NAME, "unclaimed.example.com"), ("blog.example.com", "shop.example.com")):
        chain, key = pairs.pair(*names)
        await uploaded_certificates.add(panel, app, stage.admin, chain=chain, key=key)
    async with running_proxy(tmp_path, dashboard=lambda settings: create_app(panel, settings)) as proxy:
        seen = await until(lambda: chain_seen(proxy, root, NAME))
        assert seen["subjectAltName"] == (("DNS", NAME), ("DNS", "unclaimed.example.com"))
        assert await chain_seen(proxy, root, "shop.example.com") is None
        assert await chain_seen(proxy, root, "blog.example.com") is None
    panel.authority.close()
