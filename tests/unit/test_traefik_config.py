from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.certificate import KeyPair
from skypanel.domain.http_rules import HttpRules
from skypanel.domain.routing import Route
from skypanel.drivers.proxy.routes import Servers, configuration, rule, table, wildcard_rule

APP = UUID(int=1)
SERVERS = Servers("127.0.0.1:7000", "127.0.0.1:7002", 8443, "a-token", table="/run/routes.json")


def http(**options):
    return configuration("skypanel.localhost", ["localhost", "skypanel.localhost"], SERVERS, **options)["http"]


def to(config, name):
    return config["middlewares"][name]["plugin"]["forward"]


def app(*routes, ingress="", certified=()):
    (only,) = table(routes, Servers("127.0.0.1:7000", "127.0.0.1:7002", 8443, "t", ingress), certified)["apps"].values()
    return only


@pytest.mark.req("R2.1")
def test_one_router_leads_to_all_apps_and_has_the_panel_for_other_hosts():
    config = http()
    assert set(config["routers"]) == set(config["middlewares"]) == {"git", "panel", "apps"}
    assert config["routers"]["apps"] == {
        "entryPoints": ["web", "websecure"],
        "rule": "PathPrefix(`/`)",
        "middlewares": ["apps"],
        "service": "noop@internal",
        "priority": 1,
    }
    assert to(config, "apps") == {
        "endpoints": ["127.0.0.1:7000"],
        "panel": "127.0.0.1:7000",
        "token": "a-token",
        "routes": "/internal/routes",
        "kept": "/run/routes.json",
        "httpsPort": 8443,
    }


def test_an_app_is_in_the_table_with_its_hosts_and_servers():
    route = Route(APP, ("hello.localhost", "www.example.com"), ("10.0.0.1:5000", "10.0.0.5:5000"))
    assert app(route) == {
        "hosts": ["hello.localhost", "www.example.com"],
        "endpoints": ["10.0.0.1:5000", "10.0.0.5:5000"],
        "firstByteMs": 600_000,
        "idleMs": 600_000,
    }


def test_the_dashboard_comes_before_all_apps():
    routers = http()["routers"]
    assert routers["panel"]["rule"] == "Host(`skypanel.localhost`)"
    assert routers["panel"]["priority"] > routers["apps"]["priority"]


def test_git_is_on_the_dashboards_host_and_the_bare_domain_and_before_both():
    config = http()
    git = config["routers"]["git"]
    hosts, _, paths = git["rule"].partition(" && ")
    assert hosts == "(Host(`localhost`) || Host(`skypanel.localhost`))"
    assert paths == r"PathRegexp(`^/[^/]+\.git/(info/refs|info/lfs/.+|git-receive-pack|git-upload-pack)$`)"
    assert git["priority"] > config["routers"]["panel"]["priority"]
    assert to(config, "git")["endpoints"] == ["127.0.0.1:7002"]


def test_an_app_without_endpoints_or_hosts_is_left_to_the_panel():
    routes = [Route(APP, ("hello.localhost",), ()), Route(UUID(int=2), (), ("10.0.0.1:5000",)), Route(UUID(int=3), ("a..b",), ("a:1",))]
    for servers in (SERVERS, Servers("a:1", "b:1", 443, "t", "127.0.0.1:7003")):
        assert table(routes, servers) == {"apps": {}, "proving": []}


def test_a_host_or_endpoint_that_is_none_is_left_out():
    route = Route(APP, ("a.b", "x`) || Path(`/`", "-a.b", "a..b", "A.b", "a.b\n"), ("10.0.0.1:1", "10.0.0.1", "evil/@10.0.0.1:1"))
    assert (app(route)["hosts"], app(route)["endpoints"]) == (["a.b"], ["10.0.0.1:1"])
    assert rule(route) == "Host(`a.b`)"


def test_a_wildcard_is_a_host_of_the_table_and_redirected_by_its_own_certificate():
    route = Route(APP, ("*.example.com", "*", "*.", "a.*.com", "**.b.c", "*.*.b.c", "*.org"), ("10.0.0.1:1",))
    assert app(route)["hosts"] == ["*.example.com", "*.org"]
    assert "redirected" not in app(route, certified={"www.example.com", "*.com"})
    assert app(route, certified={"*.example.com"})["redirected"] == ["*.example.com"]
    assert (rule(route), wildcard_rule(replace(route, hosts=("*.a.b`)", "a.b")))) == ("", "")


def test_on_a_swarm_the_ingress_leads_to_the_apps():
    routes = Route(APP, ("hello.localhost",), ("10.0.0.1:5000",)), Route(UUID(int=2), ("stopped.localhost",), ())
    found = app(*routes, ingress="127.0.0.1:7003")
    assert (found["hosts"], found["endpoints"], found["ingress"]) == (["hello.localhost"], ["127.0.0.1:7003"], True)


@pytest.mark.parametrize(
    ("wanted", "hosts"),
    [(None, ["hello.example.com", "www.example.org"]), (True, ["hello.example.com", "www.example.org", "late.example.org"]), (False, [])],
)
def test_hosts_with_a_certificate_are_redirected_to_https_unless_an_app_wants_all_or_none(wanted, hosts):
    names = ("hello.example.com", "www.example.org", "late.example.org")
    route = Route(APP, names, ("10.0.0.1:5000",), HttpRules(https_redirect=wanted))
    assert app(route, certified={"*.example.com", "www.example.org"}).get("redirected", []) == hosts


def test_the_limits_and_hsts_of_an_app_are_in_the_table():
    rules = HttpRules(first_byte_timeout_s=30, idle_timeout_s=55, hsts_max_age_s=86400)
    found = app(Route(APP, ("hello.localhost",), ("10.0.0.1:5000",), rules))
    assert (found["firstByteMs"], found["idleMs"], found["hsts"]) == (30_000, 55_000, "max-age=86400")


@given(st.text())
def test_no_host_breaks_out_of_its_rule(host):
    assert rule(Route(APP, (host, "good.localhost"), ())) in {"Host(`good.localhost`)", f"Host(`{host}`) || Host(`good.localhost`)"}
    assert rule(Route(APP, (host,), ())).count("`") in {0, 2}


def test_certificates_are_in_the_configuration_and_names_that_are_proved_in_the_table():
    pair = KeyPair(("www.example.com",), "a chain", "a key")
    config = configuration("skypanel.localhost", ["localhost"], SERVERS, [pair])
    assert config["tls"] == {"certificates": [{"certFile": "a chain", "keyFile": "a key"}]}
    assert "a key" not in repr(pair)
    assert "tls" not in configuration("skypanel.localhost", ["localhost"], SERVERS)
    assert table((), SERVERS, proving=["www.example.com"])["proving"] == ["www.example.com"]
