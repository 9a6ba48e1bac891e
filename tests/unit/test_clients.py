import pytest

from skypanel.domain.clients import client, network, visitor

TRUSTED = ("10.1.0.0/16", "fd00::/64")


@pytest.mark.parametrize(
    ("said", "who"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7, 10.1.2.3,fd00::9", "198.51.100.7"),
        ("6.6.6.6, 10.1.9.9, 198.51.100.7", "198.51.100.7"),
        ("10.1.2.3, 10.1.2.4", "10.1.2.3"),
        ("6.6.6.6, unknown, 10.1.2.3", "unknown"),
        ("", ""),
    ],
)
def test_the_last_one_named_that_is_no_trusted_proxy_is_who_asks(said, who):
    assert visitor(said, TRUSTED) == who


def test_where_no_proxy_is_trusted_it_is_the_last_one():
    assert visitor("6.6.6.6, 198.51.100.7", ()) == "198.51.100.7"


@pytest.mark.parametrize(
    ("headers", "who"),
    [({"X-Forwarded-For": "198.51.100.7, 10.1.2.3"}, "198.51.100.7"), ({"X-Forwarded-For": ""}, "192.0.2.9"), ({}, "192.0.2.9")],
)
def test_who_connected_is_the_client_if_the_proxy_names_none(headers, who):
    assert client(headers, "192.0.2.9", TRUSTED) == who


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("nonsense" * 20, "nonsense" * 8),
    ],
)
def test_one_customer_counts_as_one_address(address, counts_as):
    assert network(address) == counts_as
