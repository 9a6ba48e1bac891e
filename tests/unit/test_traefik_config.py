from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.certificate import KeyPair
from skypanel.domain.http_rules import HttpRules
from skypanel.domain.routing import Route
from skypanel.drivers.proxy.routes import Servers, dynamic_config, remembered

APP = UUID(int=1)
NAME = f"app-{APP}"


def http(*routes, ingress="", certified=()):
    config = dynamic_config(
        routes,
        panel_host="skypanel.localhost",
        git_hosts=["localhost", "skypanel.localhost"],
        servers=Servers("127.0.0.1:7000", "127.0.0.1:7002", 8443, "a-token", ingress),
        certified=certified,
    )
    return config["http"]


def to(config, name):
    return config["middlewares"][name]["plugin"]["forward"]


def test_an_app_has_one_router_and_one_middleware():
    config = http(Route(APP, ("hello.localhost", "www.example.com"), ("10.0.0.1:5000", "10.0.0.5:5000")))
    assert config["routers"][NAME] == {
        "entryPoints": ["web", "websecure"],
        "rule": "Host(`hello.localhost`) || Host(`www.example.com`)",
        "middlewares": [NAME],
        "service": "noop@internal",
    }
    assert to(config, NAME) == {
        "endpoints": ["10.0.0.1:5000", "10.0.0.5:5000"],
        "panel": "127.0.0.1:7000",
        "token": "a-token",
        "ingress": False,
        "firstByteMs": 600_000,
        "idleMs": 600_000,
        "redirected": [],
        "httpsPort": 8443,
        "hsts": "",
    }


def test_the_dashboard_comes_before_all_apps_and_the_fallback_after():
    routers = http()["routers"]
    assert routers["dashboard"]["rule"] == "Host(`skypanel.localhost`)"
    assert routers["dashboard"]["priority"] > 10_000
    assert routers["fallback"]["priority"] < len("Host(`a`)")
    assert set(routers) == {"git", "dashboard", "fallback"}


def test_git_is_on_the_dashboards_host_and_the_bare_domain_and_before_both():
    config = http()
    git = config["routers"]["git"]
    hosts, _, paths = git["rule"].partition(" && ")
    assert hosts == "(Host(`localhost`) || Host(`skypanel.localhost`))"
    assert paths == r"PathRegexp(`^/[^/]+\.git/(info/refs|info/lfs/.+|git-receive-pack|git-upload-pack)$`)"
    assert git["priority"] > config["routers"]["dashboard"]["priority"]
    assert to(config, "git")["endpoints"] == ["127.0.0.1:7002"]


def test_the_panels_own_paths_are_cleaned_and_those_of_apps_are_not():
    config = http(Route(APP, ("hello.localhost",), ("10.0.0.1:5000",)))
    assert {name: to(config, name).get("cleans", False) for name in config["middlewares"]} == {NAME: False, "git": True, "panel": True}


def test_an_app_without_endpoints_is_left_to_the_fallback():
    assert NAME not in http(Route(APP, ("hello.localhost",), ()))["routers"]


def test_what_is_told_comes_before_all_that_was_remembered():
    told = http(Route(APP, ("hello.localhost",), ("10.0.0.1:5000",)))
    kept = remembered({"http": told})["http"]
    priorities = {name: router.pop("priority") for name, router in kept["routers"].items()}
    assert priorities["fallback"] < priorities[NAME] < priorities["dashboard"] < priorities["git"] < told["routers"]["fallback"]["priority"]
    assert kept["middlewares"] == told["middlewares"]
    assert {name: router["rule"] for name, router in kept["routers"].items()} == {
        name: router["rule"] for name, router in told["routers"].items()
    }


def test_a_host_or_endpoint_that_is_none_is_left_out():
    config = http(Route(APP, ("a.b", "x`) || Path(`/`", "-a.b", "a..b", "A.b", "a.b\n"), ("10.0.0.1:1", "10.0.0.1", "evil/@10.0.0.1:1")))
    assert config["routers"][NAME]["rule"] == "Host(`a.b`)"
    assert to(config, NAME)["endpoints"] == ["10.0.0.1:1"]


def test_on_a_swarm_the_ingress_leads_to_the_apps():
    config = http(
        Route(APP, ("hello.localhost",), ("10.0.0.1:5000",)), Route(UUID(int=2), ("stopped.localhost",), ()), ingress="127.0.0.1:7003"
    )
    assert (to(config, NAME)["endpoints"], to(config, NAME)["ingress"]) == (["127.0.0.1:7003"], True)
    assert set(config["middlewares"]) == {NAME, "git", "panel"}


@pytest.mark.parametrize(
    ("wanted", "hosts"),
    [(None, ["hello.example.com", "www.example.org"]), (True, ["hello.example.com", "www.example.org", "late.example.org"]), (False, [])],
)
def test_hosts_with_a_certificate_are_redirected_to_https_unless_an_app_wants_all_or_none(wanted, hosts):
    names = ("hello.example.com", "www.example.org", "late.example.org")
    route = Route(APP, names, ("10.0.0.1:5000",), HttpRules(https_redirect=wanted))
    assert to(http(route, certified={"*.example.com", "www.example.org"}), NAME)["redirected"] == hosts


def test_the_limits_and_hsts_of_an_app_are_in_its_middleware():
    rules = HttpRules(first_byte_timeout_s=30, idle_timeout_s=55, hsts_max_age_s=86400)
    config = to(http(Route(APP, ("hello.localhost",), ("10.0.0.1:5000",), rules)), NAME)
    assert (config["firstByteMs"], config["idleMs"], config["hsts"]) == (30_000, 55_000, "max-age=86400")


@given(st.text())
def test_no_host_breaks_out_of_its_rule(host):
    rules = [router["rule"] for router in http(Route(APP, (host, "good.localhost"), ("10.0.0.1:1",)))["routers"].values()]
    assert all(rule.count("`") % 2 == 0 for rule in rules)
    assert [rule for rule in rules if rule in {"Host(`good.localhost`)", f"Host(`{host}`) || Host(`good.localhost`)"}]


def test_a_ca_s_requests_for_names_that_are_proved_go_to_the_panel_before_all_else():
    options = {
        "panel_host": "skypanel.localhost",
        "git_hosts": ["localhost"],
        "servers": Servers("127.0.0.1:7000", "127.0.0.1:7002", 8443, "t"),
    }
    pair = KeyPair(("www.example.com",), "a chain", "a key")
    config = dynamic_config((), **options, certificates=[pair], proving=["www.example.com", "bad`)", "example.com"])
    router = config["http"]["routers"]["challenges"]
    assert router["rule"] == "PathPrefix(`/.well-known/acme-challenge/`) && (Host(`www.example.com`) || Host(`example.com`))"
    assert (router["entryPoints"], router["middlewares"]) == (["web"], ["panel"])
    assert router["priority"] > max(other["priority"] for name, other in config["http"]["routers"].items() if name != "challenges")
    assert config["tls"] == {"certificates": [{"certFile": "a chain", "keyFile": "a key"}]}
    assert "a key" not in repr(pair)
    kept = remembered(config)
    assert kept["tls"] == config["tls"]
    assert "challenges" not in kept["http"]["routers"]
    assert "challenges" not in dynamic_config((), **options)["http"]["routers"]
