"""What a node's guard makes of what it reads, and what the service tells of the panel."""

import json

from skypanel.domain.limits import MIB
from skypanel.drivers.swarm.guard import addresses, service
from skypanel.drivers.swarm.node.guard import over, resolvers
from skypanel.host.allowed import parse_allowed

RESOLV_CONF = """\
# nameserver 10.9.9.9
nameserver 127.0.0.53
nameserver 10.0.0.2
nameserver 2001:db8::1
nameserver 192.0.2.53
options edns0
"""


def test_resolvers_are_those_that_docker_asks_from_a_dynos_network():
    assert resolvers(RESOLV_CONF) == ["10.0.0.2", "192.0.2.53"]


def test_a_dyno_is_over_its_own_bound_alone():
    def container(name, size_bytes, disk_bytes):
        return {"Id": name, "SizeRw": size_bytes, "Labels": {"skypanel.disk": str(disk_bytes)}}

    found = [container("small", MIB, 2 * MIB), container("full", 2 * MIB, 2 * MIB), container("over", 2 * MIB + 1, 2 * MIB)]
    # Docker tells no size of a container that has written nothing.
    assert over([*found, {"Id": "new", "Labels": {"skypanel.disk": "1"}}]) == {"over": 2 * MIB}


def test_public_addresses_of_the_swarms_members_are_refused():
    manager = {"Status": {"Addr": "0.0.0.0"}, "ManagerStatus": {"Addr": "198.51.100.1:2377"}}
    nodes = [manager, {"Status": {"Addr": "198.51.100.2"}}, {"Status": {"Addr": "2001:db8::2"}}, {"Status": {}}]
    assert addresses(nodes) == ["198.51.100.1", "198.51.100.2"]
    rules = service("p1", "sha256:abc", [], addresses(nodes))["TaskTemplate"]["ContainerSpec"]["Env"][0]
    blocked = rules.partition("elements = {")[2].partition("}")[0]
    assert {"198.51.100.1", "198.51.100.2", "10.0.0.0/8"} <= {part.strip() for part in blocked.split(",")}


def test_the_guard_has_one_right_and_changes_with_what_is_allowed():
    spec = service("p1", "sha256:abc", [parse_allowed("10.1.0.0/16:5432")])
    container = spec["TaskTemplate"]["ContainerSpec"]
    assert (container["CapabilityDrop"], container["CapabilityAdd"], container["ReadOnly"]) == (["ALL"], ["CAP_NET_ADMIN"], True)
    assert spec["Mode"] == {"Global": {}}
    assert "ip daddr 10.1.0.0/16 tcp dport 5432 accept" in json.dumps(spec)
    other = service("p1", "sha256:abc", [])
    assert spec["Labels"]["skypanel.fingerprint"] != other["Labels"]["skypanel.fingerprint"]
    # What is labelled as a panel's services are the dynos.
    assert "skypanel.panel" not in spec["Labels"]
