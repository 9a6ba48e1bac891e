from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.routing import Route
from skypanel.drivers.traefik import dynamic_config

APP = UUID(int=1)
NAME = f"app-{APP}"


def http(*routes):
    config = dynamic_config(
        routes,
        panel_host="skypanel.localhost",
        web_url="http://127.0.0.1:7000",
        git_hosts=["localhost", "skypanel.localhost"],
        git_url="http://127.0.0.1:7002",
    )
    return config["http"]


def test_an_app_has_one_router_and_one_service():
    config = http(Route(APP, ("hello.localhost", "www.example.com"), ("10.0.0.1:5000", "10.0.0.5:5000")))
    assert config["routers"][NAME] == {
        "entryPoints": ["web", "websecure"],
        "rule": "Host(`hello.localhost`) || Host(`www.example.com`)",
        "service": NAME,
    }
    assert config["services"][NAME]["loadBalancer"]["servers"] == [{"url": "http://10.0.0.1:5000"}, {"url": "http://10.0.0.5:5000"}]


def test_the_dashboard_comes_before_all_apps_and_the_fallback_after():
    routers = http()["routers"]
    assert routers["dashboard"]["rule"] == "Host(`skypanel.localhost`)"
    assert routers["dashboard"]["priority"] > 10_000
    assert routers["fallback"]["priority"] == 1
    assert set(routers) == {"git", "dashboard", "fallback"}


def test_git_is_on_the_dashboards_host_and_the_bare_domain_and_before_both():
    config = http()
    git = config["routers"]["git"]
    hosts, _, paths = git["rule"].partition(" && ")
    assert hosts == "(Host(`localhost`) || Host(`skypanel.localhost`))"
    assert paths == r"PathRegexp(`^/[^/]+\.git/(info/refs|info/lfs/.+|git-receive-pack|git-upload-pack)$`)"
    assert git["priority"] > config["routers"]["dashboard"]["priority"]
    assert config["services"]["git"]["loadBalancer"]["servers"] == [{"url": "http://127.0.0.1:7002"}]


def test_an_app_without_endpoints_is_left_to_the_fallback():
    assert NAME not in http(Route(APP, ("hello.localhost",), ()))["routers"]


def test_a_host_or_endpoint_that_is_none_is_left_out():
    config = http(Route(APP, ("a.b", "x`) || Path(`/`", "-a.b", "a..b", "A.b", "a.b\n"), ("10.0.0.1:1", "10.0.0.1", "evil/@10.0.0.1:1")))
    assert config["routers"][NAME]["rule"] == "Host(`a.b`)"
    assert [server["url"] for server in config["services"][NAME]["loadBalancer"]["servers"]] == ["http://10.0.0.1:1"]


@given(st.text())
def test_no_host_breaks_out_of_its_rule(host):
    rules = [router["rule"] for router in http(Route(APP, (host, "good.localhost"), ("10.0.0.1:1",)))["routers"].values()]
    assert all(rule.count("`") % 2 == 0 for rule in rules)
    assert [rule for rule in rules if rule in {"Host(`good.localhost`)", f"Host(`{host}`) || Host(`good.localhost`)"}]
