from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypanel.domain.errors import Unavailable
from skypanel.embedded import choices
from skypanel.embedded.listeners import listener, public_ports
from skypanel.settings.declaration import Variables

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0102A8C0	0003	0	0	0	00000000	0	0	0
eth0	0002A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
tun0	0040090A	00000000	0001	0	0	0	00C0FFFF	0	0	0
"""


def test_reads_the_kernels_routes_without_the_default_one():
    assert choices.networks_of(ROUTES) == (IPv4Network("192.168.2.0/24"), IPv4Network("10.9.64.0/18"))


@settings(max_examples=40)
@given(st.lists(st.integers(0, 2**24 - 1).flatmap(lambda host: st.integers(9, 32).map(lambda bits: (host, bits))), max_size=8))
def test_a_picked_subnet_overlaps_no_route(routes):
    taken = [IPv4Network((int(choices.PRIVATE.network_address) + host, bits), strict=False) for host, bits in routes]
    try:
        subnet = choices.pick_subnet(taken)
    except Unavailable:
        assert choices.free_subnets(taken) == ()
        return
    assert subnet.prefixlen == 18
    assert subnet.subnet_of(choices.PRIVATE)
    assert not any(subnet.overlaps(network) for network in taken)


def test_where_all_is_routed_it_says_so():
    with pytest.raises(Unavailable, match=r"No subnet of 10.0.0.0/8"):
        choices.pick_subnet([IPv4Network("10.0.0.0/8")])


def test_uids_are_aligned_and_high():
    bases = {choices.pick_uid_base() for _ in range(100)}
    assert all(base % 65536 == 0 and base >= 1 << 20 and base + 65536 <= 1 << 31 for base in bases)
    assert len(bases) > 90


def test_each_public_port_has_its_variable():
    assert [(port.number, port.variable) for port in public_ports(Variables().address)] == [
        (2222, "SKYPANEL_SSH_PORT"),
        (8080, "SKYPANEL_HTTP_PORT"),
        (8443, "SKYPANEL_HTTPS_PORT"),
        (8444, "SKYPANEL_RENDEZVOUS_PORT"),
    ]


def test_who_has_a_port_is_named_where_it_is_known():
    shown = 'LISTEN 0 511 0.0.0.0:8080 0.0.0.0:* users:(("nginx",pid=812,fd=6),("nginx",pid=811,fd=6))\n'
    assert listener(shown) == " by nginx (process 812)"
    assert listener("LISTEN 0 511 0.0.0.0:8080 0.0.0.0:*\n") == ""
    assert listener("") == ""
