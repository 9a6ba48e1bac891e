"""A wildcard from a real CA that validates, proved by records on a real DNS server."""

from dataclasses import replace

import pytest

from skypanel.domain.certificate import CertificateState
from skypanel.domain.domains import DomainState
from skypanel.domain.routing import Address
from skypanel.drivers.acme.authority import AcmeAuthority
from skypanel.drivers.clock import SystemClock
from skypanel.drivers.dns.authoritative import AuthoritativeDns
from skypanel.drivers.dns.updates import UpdatedRecords
from skypanel.flow import certificates, domains, settings
from tests.fixtures.bind import KEY, SECRET, running_bind
from tests.fixtures.pebble import running_pebble
from tests.support.certificates import state
from tests.support.until import until

pytestmark = pytest.mark.req("R13.4", "R3.4", "R11.2")

DOMAIN = "apps.example.com"


@pytest.fixture(scope="module")
def bind(tmp_path_factory):
    with running_bind(tmp_path_factory.mktemp("bind")) as running:
        yield running


@pytest.fixture(scope="module")
def pebble(tmp_path_factory, bind):
    with running_pebble(tmp_path_factory.mktemp("pebble"), dns_server=str(bind.server)) as running:
        yield running


@pytest.fixture
async def panel(stage, bind, pebble):
    own = replace(
        stage.panel,
        address=Address(DOMAIN, 22, 80, 443),
        clock=SystemClock(),
        load_dns=lambda: AuthoritativeDns(bind.port),
        load_authority=AcmeAuthority,
        open_records=UpdatedRecords,
    )
    authority = {
        "acme_directory": pebble.authority.directory,
        "acme_ca_bundle": pebble.authority.trusted,
        "dns_resolvers": str(bind.server),
    }
    access = {"dns_updates": "rfc2136", "rfc2136_server": str(bind.server), "rfc2136_key_name": KEY, "rfc2136_key_secret": SECRET}
    await settings.change(own, stage.admin, {**authority, **access})
    yield own
    own.authority.close()


async def issued(panel, name):
    """Work until a name has a certificate, and return its names. Whatever fails is shown."""

    async def is_settled():
        await certificates.work(panel, "worker")
        return (await state(panel, name)).state not in {CertificateState.NONE, CertificateState.ISSUING}

    await until(is_settled)
    found = await state(panel, name)
    assert found.problem == ""
    return found.certificate.facts.names


async def test_the_panels_wildcard_is_issued(panel, bind):
    assert await issued(panel, f"*.{DOMAIN}") == (f"*.{DOMAIN}",)
    assert bind.texts(f"_acme-challenge.{DOMAIN}") == set()


@pytest.mark.req("R13.1")
async def test_an_apps_wildcard_is_issued_once_the_records_are_there_that_its_guide_shows(panel, stage, bind):
    app = await stage.app()
    wildcard = await domains.add(panel, app, "*.shop.example.com", stage.admin)
    [guide] = await domains.guides(panel, app, [wildcard])
    for record in guide.records:
        assert (await domains.check(panel, app, wildcard, stage.admin)).state is not DomainState.ACTIVE
        bind.add(record.name, record.kind, record.value)
    checked = await domains.check(panel, app, wildcard, stage.admin)
    assert checked.problem is None
    assert checked.state is DomainState.ACTIVE
    assert await issued(panel, "*.shop.example.com") == ("*.shop.example.com",)
    assert bind.texts("_acme-challenge.shop.example.com") == set()
