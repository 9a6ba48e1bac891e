import pytest

from skypanel.domain.proxies import visitor

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
