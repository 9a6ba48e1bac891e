from ipaddress import IPv4Network, IPv6Network

from skypanel.host.connection_limit import ConnectionLimit, ruleset, undoing

TAG = "0123abcd"


def test_every_connection_at_the_public_ports_is_counted_by_its_address_unless_a_proxy_is_trusted():
    rules = ruleset(
        TAG, ConnectionLimit((80, 443), 1000, (IPv4Network("10.1.2.3/32"), IPv6Network("fd00::/64"), IPv4Network("10.2.0.0/16")))
    )
    assert rules.startswith(f"table inet skypanel_{TAG}_door {{}}\ndelete table inet skypanel_{TAG}_door\n")
    lines = [line.strip() for line in rules.splitlines()]
    assert {"elements = { 10.1.2.3/32, 10.2.0.0/16 }", "elements = { fd00::/64 }"} <= set(lines)
    assert lines.index("iif lo accept") + 1 == lines.index("tcp dport { 80, 443 } ct state new jump bounded")
    bounded = lines.index("chain bounded {")
    assert lines[bounded + 1 : bounded + 5] == [
        "ip saddr @trusted4 accept",
        "ip6 saddr @trusted6 accept",
        "meta nfproto ipv4 add @open4 { ip saddr ct count over 1000 } reject with tcp reset",
        "meta nfproto ipv6 add @open6 { ip6 saddr & ffff:ffff:ffff:ffff:: ct count over 1000 } reject with tcp reset",
    ]


def test_sets_that_hold_nobody_have_no_elements():
    assert "elements" not in ruleset(TAG, ConnectionLimit((80,), 1))


def test_the_rules_go_with_the_panel():
    (((*argv, _), script),) = undoing(TAG)
    assert (argv, script) == (["nft", "-f"], f"table inet skypanel_{TAG}_door {{}}\ndelete table inet skypanel_{TAG}_door\n")
