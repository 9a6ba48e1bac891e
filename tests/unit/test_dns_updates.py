import pytest

from skypanel.domain.dns import Fault, Lookup
from skypanel.domain.dns_updates import absent_at, access_of, challenge_name, read_zone
from skypanel.domain.settings import DEFAULTS


def test_a_zone_is_read_in_any_case_and_with_the_dot_of_the_root():
    assert read_zone("Example.com.") == "example.com"


def test_there_is_no_access_at_first_and_its_secret_is_not_shown():
    assert access_of(DEFAULTS) is None
    chosen = {"dns_updates": "rfc2136", "rfc2136_server": "10.1.0.1:5353", "rfc2136_key_name": "key", "rfc2136_key_secret": "c2VjcmV0"}
    access = access_of({**DEFAULTS, **chosen})
    assert (access.server.port, access.key_secret, access.key_algorithm) == (5353, "c2VjcmV0", "hmac-sha256")
    assert "c2VjcmV0" not in repr(access)


def test_a_wildcard_is_proved_at_its_base():
    assert challenge_name("*.example.com") == challenge_name("example.com") == "_acme-challenge.example.com"


SHOWS, LACKS, SILENT = Lookup(("other", "proof")), Lookup(fault=Fault.NO_RECORD), Lookup(fault=Fault.SILENT)


@pytest.mark.parametrize(
    ("answers", "absent"),
    [
        ([SHOWS, SHOWS], None),
        ([SHOWS, LACKS], LACKS),
        ([SHOWS, SILENT], None),
        ([SILENT], SILENT),
        ([LACKS, SILENT], LACKS),
        ([], SILENT),
    ],
)
def test_all_servers_that_answer_must_have_a_record(answers, absent):
    assert absent_at(answers, "proof") == absent
