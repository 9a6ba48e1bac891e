"""Git URLs and branches as they are typed, and the addresses that a URL may lead to."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.internet import is_allowed, is_public, read_networks
from skypanel.domain.remote import MAX_LISTED, MAX_URL_LENGTH, Branches, RemoteAccess, check_branch, choose, parse_url, refused


@pytest.mark.req("R19.2")
@pytest.mark.parametrize(
    ("typed", "host", "port", "path", "user"),
    [
        ("https://github.com/ada/app", "github.com", 443, "/ada/app", None),
        (" https://Git.Example.com:8443/ada/app.git\n", "git.example.com", 8443, "/ada/app.git", None),
        ("https://[2001:db8::1]/app.git", "2001:db8::1", 443, "/app.git", None),
        ("ssh://git@example.com:2222/ada/app.git", "example.com", 2222, "/ada/app.git", "git"),
        ("ssh://example.com/~ada/app.git", "example.com", 22, "/~ada/app.git", "git"),
        ("git@github.com:ada/app.git", "github.com", 22, "ada/app.git", "git"),
        ("ada@example.com:/srv/app.git", "example.com", 22, "/srv/app.git", "ada"),
    ],
)
def test_urls_as_git_takes_them_are_read(typed, host, port, path, user):
    url = parse_url(typed)
    assert (url.host, url.port, url.path, url.user) == (host, port, path, user)
    assert parse_url(str(url)) == url


@pytest.mark.parametrize("typed", ["https://github.com/ada/app", "git@github.com:ada/app.git", "ssh://git@example.com:2222/app.git"])
def test_a_url_is_shown_as_it_was_typed(typed):
    assert str(parse_url(typed)) == typed


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("https://ada:s3cret@example.com/app.git", "contains credentials"),
        ("https://s3cret@example.com/app.git", "contains credentials"),
        ("ssh://git:s3cret@example.com/app.git", "contains credentials"),
        ("http://s3cret.example.com/app.git", "http://"),
        ("file:///etc/s3cret", "Only https"),
        ("/etc/s3cret", "Only https"),
        ("../s3cret", "Only https"),
        ("ext::sh -c s3cret% >&2", "characters"),
        ("ext::s3cret", "Only https"),
        ("git://example.com/s3cret", "Only https"),
        ("ftp://example.com/s3cret", "Only https"),
        ("javascript:s3cret", "Only https"),
        ("", "Only https"),
        ("https://", "no host"),
        ("https:///s3cret", "no host"),
        ("https://-oProxyCommand=s3cret/app.git", "no host"),
        ("ssh://-oProxyCommand=s3cret/app.git", "no host"),
        ("ssh://-oProxyCommand=s3cret@example.com/app", "user"),
        ("-s3cret@example.com:app.git", "user"),
        ("git@-s3cret:app.git", "no host"),
        ("git@example.com:-s3cret", "no path of a repository"),
        ("git@example.com:--upload-pack=s3cret", "no path of a repository"),
        ("https://example.com/", "no path of a repository"),
        ("https://example.com/a/../../s3cret", "no path of a repository"),
        ("https://example.com/app.git?token=s3cret", "cannot contain ? or #"),
        ("https://example.com/app.git#s3cret", "cannot contain ? or #"),
        ("https://example.com/app`s3cret`", "no path of a repository"),
        ("git@example.com:app';s3cret", "no path of a repository"),
        ("https://example.com/s3cret\0.git", "characters"),
        ("https://example.com/s3cret\r\nHost: other", "characters"),
        ("https://example.com/s3cret app", "characters"),
        ("https://exämple.com/s3cret", "characters"),
        ("https://example.com:0/s3cret", "port"),
        ("https://example.com:99999/s3cret", "not a git URL"),
        ("https://[fe80::1%25s3cret]/app", "no host"),
        ("https://[s3cret/app", "not a git URL"),
        ("https://example.com/s3cret" + "a" * MAX_URL_LENGTH, "at most"),
    ],
)
def test_what_is_no_git_url_of_ours_is_refused_and_not_repeated(typed, said):
    with pytest.raises(Invalid) as refusal:
        parse_url(typed)
    assert said in refusal.value.message
    assert "s3cret" not in str(refusal.value)


@given(st.text(max_size=80))
def test_whatever_is_typed_is_read_or_refused(text):
    for typed in (text, f"https://example.com/{text}", f"git@{text}", f"ssh://{text}"):
        try:
            url = parse_url(typed)
        except Invalid:
            continue
        assert parse_url(str(url)) == url
        assert not any(part.startswith("-") for part in (url.host, url.path.strip("/"), url.user or ""))
        assert str(url).isprintable()


@pytest.mark.parametrize("name", ["main", "feature/two", "release-1.2", "a@b", "ünïcode"])
def test_branches_as_git_takes_them_are_read(name):
    assert check_branch(f" {name}\n") == check_branch(f"refs/heads/{name}") == name


@pytest.mark.parametrize(
    "name", ["", "-x", "--upload-pack=x", "a..b", "a b", "a~1", "a:b", "x.lock", "/a", "a/", "@", "a\0b", ".a", "a" * 201]
)
def test_what_is_no_branch_is_refused(name):
    with pytest.raises(Invalid):
        check_branch(name)


URL = parse_url("https://example.com/app.git")


@pytest.mark.req("R19.3")
def test_a_branch_that_is_missing_is_told_with_some_that_are_there():
    found = Branches({f"b{number:02}": "c" * 40 for number in range(MAX_LISTED + 5)}, "b01")
    assert choose(found, "b03", URL) == "b03"
    assert choose(found, None, URL) == "b01"
    with pytest.raises(NotFound, match=r"no branch main in https://example.com/app.git.*b00, b01, .*b07 and 5 more"):
        choose(found, "main", URL)
    with pytest.raises(Invalid, match="is empty"):
        choose(Branches({}), None, URL)
    with pytest.raises(NotFound, match="has no default branch"):
        choose(Branches({"a": "c" * 40}), None, URL)


@pytest.mark.req("R19.4")
def test_who_is_let_in_nowhere_is_told_of_the_deploy_key():
    assert "git@example.com:app.git" in refused(URL, None, "No.").hint
    assert "ssh-ed25519 AAAA" in refused(parse_url("git@example.com:app.git"), "ssh-ed25519 AAAA", "No.").hint


def test_a_private_key_is_shown_nowhere():
    assert "s3cret" not in repr(RemoteAccess(URL, private_key="s3cret"))


PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_the_internets_are_known(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "140.82.121.3", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses_are_known(address):
    assert is_public(ip_address(address))


def test_networks_are_read_and_hold_what_is_in_them():
    networks = read_networks(" 10.1.0.0/16, 192.168.7.2,fd00::/8 ,")
    assert [str(network) for network in networks] == ["10.1.0.0/16", "192.168.7.2/32", "fd00::/8"]
    assert is_allowed(ip_address("10.1.2.3"), networks)
    assert is_allowed(ip_address("::ffff:10.1.2.3"), networks)
    assert is_allowed(ip_address("fd00::1"), networks)
    assert not is_allowed(ip_address("10.2.0.1"), networks)
    assert read_networks("") == ()


@pytest.mark.parametrize("text", ["10.1.0.0/15/2", "10.1.2.3/16", "localhost", "10.0.0.0/8:22", ",".join(["10.0.0.0/8"] * 51)])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(Invalid):
        read_networks(text)
