"""Labels of services for a route, and the ingress as values."""

import json
from dataclasses import replace
from uuid import UUID

import pytest

from skypanel.domain.routing import Route
from skypanel.drivers.swarm.ingress import IngressOptions, container, dynamic_config, files, static_config
from skypanel.drivers.swarm.probe import has_ip_vs
from skypanel.drivers.swarm.router import EXACT, labelled
from skypanel.drivers.swarm.services import Service
from skypanel.drivers.swarm.spec import service_spec
from skypanel.embedded.doctor_swarm import endpoint_findings, endpoint_mode
from tests.unit.test_swarm_spec import APP, MANIFEST, PLACE, WEB

ROUTE = Route(APP, ("hello.localhost", "www.example.com"), ("10.0.1.2:5000",))
OPTIONS = IngressOptions("panel", 80, 8082, "token-value", https_port=443)


def service(**changes):
    return Service("id", 1, service_spec(replace(MANIFEST, **changes), WEB, PLACE))


@pytest.mark.req("R13.3")
def test_a_route_is_labels_of_its_own_and_leaves_all_else():
    made = service()
    spec = labelled(made.spec, made, ROUTE)
    own = {name: value for name, value in spec["Labels"].items() if name.startswith("traefik.")}
    name = made.name
    assert own["traefik.enable"] == "true"
    assert own[f"traefik.http.routers.{name}.rule"] == "Host(`hello.localhost`) || Host(`www.example.com`)"
    assert own["traefik.swarm.network"] == f"org-{UUID(int=20).hex}"
    assert own[f"traefik.http.services.{name}.loadbalancer.server.port"] == "5000"
    assert own[f"traefik.http.routers.{name}.middlewares"] == "forward@file"
    assert {**spec, "Labels": made.spec["Labels"]} == made.spec
    assert labelled(spec, made, None) == made.spec
    assert labelled(spec, made, ROUTE) == spec


@pytest.mark.parametrize("changes", [{"version": 8}, {"generation": 4}])
def test_what_is_newer_goes_first(changes):
    def priority(of):
        return int(labelled(of.spec, of, ROUTE)["Labels"][f"traefik.http.routers.{of.name}.priority"])

    assert EXACT < priority(service()) < priority(service(**changes)) < 2 * EXACT


def test_hosts_that_are_none_get_no_rule():
    made = service()
    labels = labelled(made.spec, made, replace(ROUTE, hosts=("x`) || PathPrefix(`/", "ok.example.com")))["Labels"]
    assert labels[f"traefik.http.routers.{made.name}.rule"] == "Host(`ok.example.com`)"


def test_a_wildcard_has_a_router_of_its_own_behind_all_exact_names():
    made = service()
    labels = labelled(made.spec, made, replace(ROUTE, hosts=("ok.example.com", "*.example.com", "*.a-b.example.org")))["Labels"]
    router, wildcards = (f"traefik.http.routers.{name}" for name in (made.name, f"{made.name}-wildcards"))
    assert labels[f"{router}.rule"] == "Host(`ok.example.com`)"
    assert labels[f"{wildcards}.rule"] == r"HostRegexp(`^[^.]+\.example\.com$`) || HostRegexp(`^[^.]+\.a-b\.example\.org$`)"
    assert 1 < int(labels[f"{wildcards}.priority"]) < EXACT < int(labels[f"{router}.priority"])
    assert labels[f"{wildcards}.service"] == labels[f"{router}.service"] == made.name


def test_the_ingress_looks_for_its_own_panels_services_every_second():
    swarm = static_config(OPTIONS)["providers"]["swarm"]
    assert (swarm["refreshSeconds"], swarm["exposedByDefault"]) == (1, False)
    assert swarm["constraints"] == "Label(`skypanel.panel`, `panel`)"
    assert "plugin" not in static_config(OPTIONS)["providers"]
    assert static_config(replace(OPTIONS, panel_url="http://panel"))["providers"]["plugin"]["follow"]["url"] == "http://panel"


def test_the_ingress_lets_go_of_a_connection_before_a_server_does_and_has_an_answer_for_every_host():
    assert static_config(OPTIONS)["serversTransport"]["forwardingTimeouts"] == {"dialTimeout": "3s", "idleConnTimeout": "500ms"}
    http = dynamic_config(OPTIONS)["http"]
    assert (http["routers"]["fallback"]["priority"], http["services"]["nobody"]["loadBalancer"]["servers"]) == (1, [])
    assert {name: set(each["plugin"]) for name, each in http["middlewares"].items()} == {"forward": {"forward"}, "door": {"forward"}}
    assert container(OPTIONS, {})["WorkingDir"] == "/etc/traefik"
    assert "plugins-local/src/skypanel/forward/forward.go" in files(OPTIONS)


def test_what_is_secret_is_in_its_files_alone():
    assert "token-value" in json.dumps(dynamic_config(OPTIONS))
    assert "token-value" not in json.dumps(container(OPTIONS, {}))
    assert "token-value" not in repr(OPTIONS)
    with_certificate = replace(OPTIONS, certificate=b"certificate", key=b"private")
    assert files(with_certificate)["panel.key"] == b"private"
    assert "private" not in repr(with_certificate)


def test_https_is_published_where_it_is_wanted():
    ports = container(OPTIONS, {})["HostConfig"]["PortBindings"]
    assert ports == {
        "8080/tcp": [{"HostIp": "0.0.0.0", "HostPort": "80"}],
        "8443/tcp": [{"HostIp": "0.0.0.0", "HostPort": "443"}],
        "8082/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8082"}],
    }
    assert "8443/tcp" not in container(replace(OPTIONS, https_port=None), {})["HostConfig"]["PortBindings"]


def test_the_endpoint_mode_is_what_the_kernel_can_do(tmp_path):
    (tmp_path / "ip_vs").touch()
    assert has_ip_vs(tmp_path / "ip_vs")
    assert [endpoint_mode(ip_vs=ip_vs) for ip_vs in (True, False)] == ["vip", "dnsrr"]
    assert [finding.name for finding in endpoint_findings("vip", ip_vs=False)] == ["IP_VS"]
    assert endpoint_findings("dnsrr", ip_vs=False) == endpoint_findings("vip", ip_vs=True) == ()
