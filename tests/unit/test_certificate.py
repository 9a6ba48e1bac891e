"""Certificates: what their keys and chains have to be, when orders are tried again, and what users see of them."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.certificate import (
    LETS_ENCRYPT_STAGING,
    LONGEST_PAUSE,
    Authority,
    CertificateState,
    Facts,
    authority_of,
    covers,
    has_public_names,
    pause,
    read_bundle,
    read_directory,
    state_of,
    two_thirds,
)
from skypanel.domain.errors import Invalid
from skypanel.domain.settings import DEFAULTS
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
