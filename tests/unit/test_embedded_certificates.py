import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from skypanel.embedded import certificates

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority():
    return certificates.make_authority("apps.example.com", NOW)


def verify(tmp_path, authority, issued, hostname):
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    (tmp_path / "host.crt").write_bytes(issued.certificate)
    argv = ("openssl", "verify", "-x509_strict", "-CAfile", "ca.crt", "-verify_hostname", hostname, "host.crt")
    return subprocess.run(argv, cwd=tmp_path, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("hostname", ["apps.example.com", "skypanel.apps.example.com", "hello.apps.example.com"])
def test_vouches_for_the_panels_names(tmp_path, authority, hostname):
    issued = certificates.issue(authority, certificates.panel_hosts("apps.example.com"), NOW)
    assert verify(tmp_path, authority, issued, hostname).returncode == 0


@pytest.mark.parametrize("hostname", ["example.com", "bank.example.org", "evilapps.example.com"])
def test_vouches_for_no_other_name(tmp_path, authority, hostname):
    issued = certificates.issue(authority, (hostname,), NOW)
    assert "permitted subtree violation" in verify(tmp_path, authority, issued, hostname).stderr


def test_knows_whom_it_vouches_for(authority):
    assert certificates.is_constrained_to(authority.certificate, "apps.example.com")
    assert not certificates.is_constrained_to(authority.certificate, "example.com")


def test_is_renewed_a_year_before_its_end(authority):
    issued = certificates.issue(authority, ("hello.apps.example.com",), NOW)
    assert certificates.is_fresh(issued.certificate, NOW)
    assert not certificates.is_fresh(issued.certificate, NOW + timedelta(days=366))


def test_shows_no_key(authority):
    assert b"PRIVATE KEY" in authority.key
    assert "PRIVATE KEY" not in repr(authority)
