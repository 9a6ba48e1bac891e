from ipaddress import IPv4Network, IPv6Network

import pytest

from skypanel.host.connection_limit import ConnectionLimit, lists, ruleset, undo_commands

TAG = "0123abcd"
TRUSTED = (IPv4Network("10.1.2.3/32"), IPv6Network("fd00::/64"), IPv4Network("10.2.0.0/16"))


def chain(rules, name):
    lines = [line.strip() for line in rules.splitlines()]
    begin = lines.index(f"chain {name} {{") + 1
    return lines[begin : lines.index("}", begin)]


def test_every_connection_at_the_public_ports_is_counted_by_its_address_unless_it_is_local_or_a_trusted_proxys():
    rules = ruleset(TAG, ConnectionLimit((80, 443), 1000, 9500, TRUSTED))
    assert rules.startswith(f"table inet skypanel_{TAG}_limit {{}}\ndelete table inet skypanel_{TAG}_limit\n")
    lines = [line.strip() for line in rules.splitlines()]
    assert {"elements = { 10.1.2.3/32, 10.2.0.0/16 }", "elements = { fd00::/64 }"} <= set(lines)
    assert chain(rules, "input")[1:] == ["iif lo accept", "tcp dport { 80, 443 } ct state new jump bounded"]
    assert chain(rules, "bounded") == [
        "ip saddr != @trusted4 add @open4 { ip saddr ct count over 1000 } reject with tcp reset",
        "ip6 saddr != @trusted6 add @open6 { ip6 saddr & ffff:ffff:ffff:ffff:: ct count over 1000 } reject with tcp reset",
        "goto fair",
    ]


def test_all_connections_are_counted_together_and_who_has_many_is_refused_before_the_others():
    rules = ruleset(TAG, ConnectionLimit((80, 443), 1000, 9500, TRUSTED))
    assert chain(rules, "output")[1:] == ["oif lo tcp dport { 80, 443 } ct state new jump fair"]
    assert chain(rules, "fair") == [
        'ct timeout set "brief"',
        "jump step20",
        "jump step5",
        "jump step1",
        "add @total { tcp sport & 126 ct count over 148 } reject with tcp reset",
    ]
    assert chain(rules, "step20") == [
        "ip saddr != @trusted4 add @few20_4 { ip saddr ct count over 20 } goto greedy20",
        "ip6 saddr != @trusted6 add @few20_6 { ip6 saddr & ffff:ffff:ffff:ffff:: ct count over 20 } goto greedy20",
        "add @total20 { tcp sport & 126 ct count over 111 }",
    ]
    assert chain(rules, "greedy20") == ["add @total20 { tcp sport & 126 ct count over 111 } reject with tcp reset"]
    assert chain(rules, "greedy5") == ["add @total5 { tcp sport & 126 ct count over 129 } reject with tcp reset"]
    assert chain(rules, "greedy1") == ["add @total1 { tcp sport & 126 ct count over 139 } reject with tcp reset"]


@pytest.mark.parametrize(("connections", "expected"), [(1, 1), (40, 1), (512, 4), (9500, 64), (200_000, 1024), (10**9, 4096)])
def test_many_connections_are_counted_in_many_lists(connections, expected):
    assert lists(connections) == expected


def test_sets_that_hold_nobody_have_no_elements():
    assert "elements" not in ruleset(TAG, ConnectionLimit((80,), 1, 1))


def test_the_rules_go_with_the_panel():
    (((*argv, _), script),) = undo_commands(TAG)
    assert (argv, script) == (["nft", "-f"], f"table inet skypanel_{TAG}_limit {{}}\ndelete table inet skypanel_{TAG}_limit\n")
