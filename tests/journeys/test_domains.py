"""A domain from its claim to the app's answer, and its visitors, with a real DNS server, a real CA and the real proxy."""

import pytest

from tests.fixtures.name_server import name_server
from tests.journeys.contract_front_door import FrontDoorContract, old, site
from tests.journeys.harness import wait_for
from tests.journeys.heroku_cli import program

__all__ = ["old", "program", "site"]

NAME = "shop.example.com"


@pytest.fixture(scope="module")
def front(panel):
    return panel


@pytest.mark.req("R2.1", "R13.2", "R13.3")
def test_a_domain_leads_to_its_app_once_two_records_are_set(panel):
    panel.repository("python-plain").push("named")
    with name_server() as dns:
        panel.cli("settings", "set", f"dns_resolvers=127.0.0.1:{dns.port}", "public_addresses=203.0.113.5")
        said = panel.cli("domains", "add", "named", NAME).stdout
        token = next(line.split()[2] for line in said.splitlines() if line.startswith("TXT"))
        assert f"CNAME  {NAME}" in said
        assert f"There is no TXT record at _skypanel-challenge.{NAME} yet." in panel.cli("domains", "check", "named", NAME).stdout
        dns.put(f"_skypanel-challenge.{NAME}", "TXT", token)
        dns.put(NAME, "A", "203.0.113.5")
        assert panel.cli("domains", "wait", "named", NAME).stdout.splitlines()[-1] == f"{NAME} leads to named."
        # The first rollout after that keeps it.
        panel.cli("restart", "named")
        assert panel.get_at(NAME).body == "Hello from SkyPanel\n"
        assert f"{NAME}  active" in panel.cli("domains", "list", "named").stdout
        panel.cli("domains", "remove", "named", NAME, "--confirm", NAME)
        wait_for("the route to go", lambda: panel.get_at(NAME).status == 404)


class TestFrontDoor(FrontDoorContract):
    pass
