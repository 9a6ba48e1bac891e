"""Certificates: what their keys and chains have to be, when orders are tried again, and what users see of them."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.certificate import (
    LETS_ENCRYPT_STAGING,
    LONGEST_PAUSE,
    Authority,
    CertificateState,
    Facts,
    authority_of,
    has_public_names,
    pause,
    read_bundle,
    read_directory,
    state_of,
    two_thirds,
)
from skypanel.domain.domains import covers
from skypanel.domain.errors import Invalid
from skypanel.domain.settings import DEFAULTS
from skypanel.domain.uploaded_certificates import MAX_NAMES, Holder, UploadedCertificate, check, check_size, is_served
from skypanel.drivers.acme.network import MAX_WAIT, wait_of
from skypanel.drivers.crypto.x509 import X509Certificates
from skypanel.embedded.certificates import issue, make_authority

NOW = datetime(2026, 5, 1, tzinfo=UTC)
CERTIFICATES = X509Certificates()


@pytest.fixture(scope="module")
def authority():
    return make_authority("example.com", NOW)


@pytest.fixture(scope="module")
def pair(authority):
    return issue(authority, ("www.example.com", "*.example.com"), NOW)


def pem(key, encryption=NoEncryption()):  # noqa: B008 - it has no state
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def test_a_chain_and_its_key_are_read(authority, pair):
    facts = CERTIFICATES.read((pair.certificate + authority.certificate).decode(), pair.key.decode())
    assert facts.names == ("www.example.com", "*.example.com")
    assert facts.issuer == "SkyPanel at example.com"
    assert facts.not_before < NOW < facts.not_after
    assert int(facts.serial, 16) > 0
    assert CERTIFICATES.read(pair.certificate.decode(), pair.key.decode()) == facts


@pytest.mark.req("R13.4")
def test_what_browsers_would_refuse_is_refused(authority, pair):
    other = issue(authority, ("other.example.com",), NOW)
    chain, key = pair.certificate.decode(), pair.key.decode()
    curve = ec.generate_private_key(ec.SECP256R1())
    refused = {
        "This is not a certificate": ("nothing", key),
        "is not the one of this certificate": (chain, other.key.decode()),
        "This is not a private key": (chain, "nothing"),
        "has a passphrase": (chain, pem(curve, BestAvailableEncryption(b"secret"))),
        "know no certificates with such a key": (chain, pem(ed25519.Ed25519PrivateKey.generate())),
        "only 1024 bits": (chain, pem(rsa.generate_private_key(65537, 1024))),
        "The chain is out of order": (chain + other.certificate.decode(), key),
        "no names that browsers look at": (authority.certificate.decode(), authority.key.decode()),
    }
    for message, (given_chain, given_key) in refused.items():
        with pytest.raises(Invalid, match=message) as error:
            CERTIFICATES.read(given_chain, given_key)
        assert error.value.hint
        assert "PRIVATE" not in str(error.value)


def signed(names, *, common=(), key=None):
    """Return a certificate that nobody would issue, and its key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each) for each in common])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), NOW, NOW + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode(), pem(key)


def broken():
    """Return a certificate that has a name of a kind which is not read, and its key."""
    chain, key = signed([x509.DNSName("www.example.com"), x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))])
    der = x509.load_pem_x509_certificate(chain.encode()).public_bytes(Encoding.DER)
    patched = x509.load_der_x509_certificate(der.replace(b"\x88\x02\x2a\x03", b"\xa5\x02\x05\x00"))
    return patched.public_bytes(Encoding.PEM).decode(), key


@pytest.mark.req("R13.4")
def test_an_upload_adds_no_names_that_a_proxy_alone_would_see(authority, pair, monkeypatch):
    monkeypatch.setattr("skypanel.drivers.crypto.x509.MAX_RSA_BITS", 2040)
    chain, key = (pair.certificate + authority.certificate).decode(), pair.key.decode()
    facts, stored = CERTIFICATES.read_upload(f"Bag Attributes\n{chain}\n\n", f"\n{key}")
    assert (facts, stored.names) == (CERTIFICATES.read(chain, key), ("www.example.com", "*.example.com"))
    assert (stored.chain, stored.key) == (chain, key)
    assert key not in repr(stored)
    own, others = [x509.DNSName("www.example.com")], "www.example.net"
    hostile = {
        "common name": [signed(own, common=[others]), signed(own, common=["www.example.com", others]), signed(own, common=[f"x,{others}"])],
        "IP addresses": [signed([*own, x509.IPAddress(ip_address("198.51.100.7"))])],
        "cannot be read": [broken()],
        "makes each connection slow": [signed(own, key=rsa.generate_private_key(65537, 2048))],
        "no certificates with such a key": [signed(own, key=ec.generate_private_key(ec.SECP256K1()))],
    }
    for message, pairs in hostile.items():
        for each in pairs:
            with pytest.raises(Invalid, match=message) as error:
                CERTIFICATES.read_upload(*each)
            assert error.value.hint


def test_who_a_certificate_is_for_and_whether_this_machine_trusts_it(authority, pair, monkeypatch):
    parties = CERTIFICATES.parties((pair.certificate + authority.certificate).decode())
    assert (parties.subject, parties.issuer, parties.is_trusted) == ("CN=www.example.com", "CN=SkyPanel at example.com", False)
    root = x509.load_pem_x509_certificate(authority.certificate)
    monkeypatch.setattr("skypanel.drivers.crypto.x509._roots", lambda: {root.subject: [root]})
    chains = (pair.certificate, pair.certificate + authority.certificate, signed([x509.DNSName("www.example.com")])[0].encode())
    assert [CERTIFICATES.parties(each.decode()).is_trusted for each in chains] == [True, True, False]


def facts(*names, begins=-1, ends=90):
    return Facts(names, NOW + timedelta(days=begins), NOW + timedelta(days=ends), "", "")


def test_what_may_be_uploaded():
    check(facts("www.example.com", "*.example.com"), "paas.example.net", NOW)
    refused = {
        "expired on 2026-04-30": facts("www.example.com", begins=-90, ends=-1),
        "not valid before 2026-05-02 00:00 UTC": facts("www.example.com", begins=1),
        "has 101 names": facts(*(f"a{number}.example.com" for number in range(MAX_NAMES + 1))),
        "belongs to this panel": facts("www.example.com", "hello.paas.example.net"),
        "is not a domain": facts("www.example.com,www.example.net"),
        "is reserved": facts("www.example.com", "server.local"),
        "not a whole domain": facts("*.com"),
    }
    for message, given_facts in refused.items():
        with pytest.raises(Invalid, match=message) as error:
            check(given_facts, "paas.example.net", NOW)
        assert error.value.hint
    for chain, key in (("x" * 100_001, ""), ("", "x" * 20_001)):
        with pytest.raises(Invalid, match="too long"):
            check_size(chain, key)


APPS = [UUID(int=number) for number in range(3)]
TEAMS = [UUID(int=number) for number in range(10, 12)]
MINE = Holder("www.example.com", APPS[0], TEAMS[0])


@pytest.mark.req("R13.2")
@pytest.mark.parametrize(
    ("names", "holders", "served"),
    [
        (["www.example.com"], [MINE], True),
        (["www.example.com", "not-claimed.example.com"], [MINE], True),
        (["*.example.com"], [MINE], True),
        (["www.example.com"], [], False),
        (["*.www.example.com"], [MINE], False),
        # Names of another organization's app.
        (["www.example.com", "shop.example.com"], [MINE, Holder("shop.example.com", APPS[1], TEAMS[1])], False),
        (["*.example.com"], [MINE, Holder("shop.example.com", APPS[1], TEAMS[1])], False),
        (["shop.example.com"], [Holder("shop.example.com", APPS[1], TEAMS[1])], False),
        # Names of another app of the same organization.
        (["www.example.com", "shop.example.com"], [MINE, Holder("shop.example.com", APPS[1], TEAMS[0])], False),
        (["*.example.com"], [MINE, Holder("shop.example.com", APPS[1], TEAMS[0])], True),
        (["*.example.com"], [Holder("shop.example.com", APPS[1], TEAMS[0])], False),
        # Names that the certificate does not cover.
        (["www.example.com"], [MINE, Holder("shop.example.com", APPS[1], TEAMS[1])], True),
        # The panel's names, which may have changed since.
        (["www.example.com", "skypanel.paas.example.net"], [MINE], False),
        (["www.example.com", "*.example.net"], [MINE], False),
    ],
)
def test_an_upload_is_served_only_while_none_of_its_names_is_somebody_else_s(names, holders, served):
    uploaded = UploadedCertificate(UUID(int=20), APPS[0], TEAMS[0], tuple(names), NOW)
    assert is_served(uploaded, holders, "paas.example.net") is served


def test_a_request_is_for_its_names():
    key = CERTIFICATES.make_key()
    assert "CERTIFICATE REQUEST" in CERTIFICATES.request(key, ["www.example.com"])
    assert key != CERTIFICATES.make_key()


def test_pauses_grow_to_a_day_and_the_ca_may_ask_for_more():
    assert [pause(failures) // timedelta(minutes=1) for failures in (1, 2, 3, 11, 12, 1000)] == [1, 2, 4, 1024, 1440, 1440]
    assert pause(1, timedelta(seconds=5)) == timedelta(minutes=1)
    assert pause(1, timedelta(days=3)) == timedelta(days=3)
    assert pause(1000) == LONGEST_PAUSE


@pytest.mark.parametrize("days", [6, 90, 398])
def test_a_certificate_is_renewed_after_two_thirds_of_its_life(days):
    assert two_thirds(Facts(("a.example.com",), NOW, NOW + timedelta(days=days), "", "")) == NOW + timedelta(days=days * 2 / 3)


def test_a_wildcard_covers_one_label():
    assert covers(["*.example.com"], "www.example.com")
    assert not covers(["*.example.com"], "example.com")
    assert not covers(["*.example.com"], "a.b.example.com")
    assert covers(["example.com"], "example.com")


@pytest.mark.parametrize(
    ("left_days", "renews", "problem", "ordered", "state"),
    [
        (None, False, "", False, CertificateState.NONE),
        (None, False, "", True, CertificateState.ISSUING),
        (None, False, "no", True, CertificateState.FAILED),
        (60, True, "", False, CertificateState.ACTIVE),
        (60, True, "no", True, CertificateState.ACTIVE),
        (5, True, "", True, CertificateState.ACTIVE),
        (5, True, "no", True, CertificateState.EXPIRING),
        (5, False, "", False, CertificateState.EXPIRING),
        (60, False, "", False, CertificateState.ACTIVE),
        (-1, True, "", False, CertificateState.EXPIRED),
        (-1, True, "no", True, CertificateState.FAILED),
    ],
)
def test_a_name_has_the_state_of_its_certificate_or_of_its_order(left_days, renews, problem, ordered, state):
    until = None if left_days is None else NOW + timedelta(days=left_days)
    assert state_of(until, NOW if renews else None, problem, NOW, ordered=ordered) is state


def test_the_settings_choose_the_ca():
    assert authority_of({**DEFAULTS, "acme_directory": ""}) is None
    values = {**DEFAULTS, "acme_directory": "https://ca.example.com/dir", "acme_eab_kid": "kid", "acme_eab_key": "a-secret-key"}
    chosen = authority_of(values)
    assert chosen == Authority("https://ca.example.com/dir", eab_kid="kid", eab_key="a-secret-key")
    assert "a-secret-key" not in repr(chosen)
    assert read_directory("letsencrypt-staging") == LETS_ENCRYPT_STAGING
    assert [has_public_names(domain) for domain in ("localhost", "a.localhost", "apps.example.com", "example")] == [
        False,
        False,
        True,
        True,
    ]


def test_certificates_are_taken_from_a_form_in_one_line(authority):
    pem_text = authority.certificate.decode()
    assert read_bundle(pem_text.replace("\n", " ") * 2) == pem_text * 2


def test_the_ca_s_time_to_wait_is_read():
    assert wait_of("120", NOW) == timedelta(minutes=2)
    assert wait_of("Fri, 01 May 2026 00:10:00 GMT", NOW) == timedelta(minutes=10)
    assert wait_of("Thu, 01 Jan 2026 00:00:00 GMT", NOW) == timedelta()
    assert wait_of("9" * 40, NOW) == wait_of("Fri, 01 May 2099 00:00:00 GMT", NOW) == MAX_WAIT


@given(st.text())
def test_whatever_the_ca_says_of_waiting_is_a_time_or_none(text):
    found = wait_of(text, NOW)
    assert found is None or timedelta() <= found <= MAX_WAIT
