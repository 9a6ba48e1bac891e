import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypanel.domain.dns import Fault, Lookup
from skypanel.domain.domains import (
    CHECKED_FOR,
    GRACE,
    LOST_PAUSE,
    MAX_NAME_LENGTH,
    MAX_PAUSE,
    MIN_PAUSE,
    RESERVED,
    VERIFIED_PAUSE,
    Check,
    Domain,
    DomainState,
    check_name,
    covers,
    delegation_problem,
    is_warned,
    judged,
    records,
)
from skypanel.domain.errors import Invalid
from skypanel.flow import domain_names

PANEL = "apps.example.net"
LABELS = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("typed", "name", "shown"),
    [
        ("www.example.com", "www.example.com", "www.example.com"),
        (" WWW.Example.COM. ", "www.example.com", "www.example.com"),
        ("bücher.example.com", "xn--bcher-kva.example.com", "bücher.example.com"),
        ("xn--bcher-kva.example.com", "xn--bcher-kva.example.com", "bücher.example.com"),
        ("faß.de", "xn--fa-hia.de", "faß.de"),
        ("日本。jp", "xn--wgv71a.jp", "日本.jp"),
        ("*.bücher.com", "*.xn--bcher-kva.com", "*.bücher.com"),
        ("example.co.uk", "example.co.uk", "example.co.uk"),
        ("pages.github.io", "pages.github.io", "pages.github.io"),
        ("example.net", "example.net", "example.net"),
    ],
)
def test_a_domain_is_read_in_any_script(typed, name, shown):
    assert domain_names.read(typed, PANEL) == name
    assert domain_names.shown(name) == shown


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", "No domain was given"),
        ("https://www.example.com/", "more than a domain"),
        ("ada@example.com", "more than a domain"),
        ("203.0.113.5", "is an IP address"),
        ("[2001:db8::1]", "is an IP address"),
        ("www.example.com:8080", "has a port"),
        ("127.1", "is not a domain"),
        ("com", "not a whole domain"),
        ("localhost", "localhost is reserved"),
        ("a.b.test", "test is reserved"),
        ("printer.local", "local is reserved"),
        ("1.2.0.192.in-addr.arpa", "arpa is reserved"),
        ("co.uk", "shared by many"),
        ("*.co.uk", "shared by many"),
        ("*.com", "not a whole domain"),
        ("a_b.example.com", "not a domain"),
        ("-a.example.com", "not a domain"),
        ("a..example.com", "not a domain: empty label"),
        ("xn--zzzz.com", "not a domain: invalid A-label"),
        ("a\u200db.com", "not a domain: joiner"),
        ("\u2603.com", "not a domain: codepoint U\\+2603"),
        ("*.*.example.com", "not a domain"),
        ("www.*.com", "not a domain"),
        ("a b.com", "not a domain"),
        ("a.com\nb.com", "not a domain"),
        (f"{'a' * 64}.com", "not a domain: label too long"),
        (".".join(["a" * 50] * 5), "too long"),
        (PANEL, "belongs to this panel"),
        (f"api.{PANEL}", "belongs to this panel"),
        (f"skypanel.{PANEL}", "belongs to this panel"),
        (f"a.b.{PANEL}", "belongs to this panel"),
        (f"*.{PANEL}", "belongs to this panel"),
        ("*.example.net", "belongs to this panel"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(typed, problem):
    with pytest.raises(Invalid, match=f"(?i){problem}") as refused:
        domain_names.read(typed, PANEL)
    assert refused.value.hint
    assert str(refused.value).isascii()


@settings(max_examples=25)
@given(st.text(max_size=80) | st.lists(LABELS, min_size=1, max_size=5).map(".".join))
def test_what_passes_is_a_name_of_dns_that_is_nobody_elses(text):
    try:
        name = domain_names.read(text, PANEL)
    except Invalid:
        return
    base = name.removeprefix("*.")
    assert re.fullmatch(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", base)
    assert len(base) <= MAX_NAME_LENGTH
    assert base.rpartition(".")[2] not in RESERVED
    assert not base.endswith(PANEL)
    assert domain_names.read(name, PANEL) == name
    assert domain_names.read(domain_names.shown(name), PANEL) == name


@settings(max_examples=25)
@given(LABELS, st.lists(LABELS, min_size=1, max_size=3).map(".".join))
def test_a_wildcard_covers_one_label(label, base):
    assert covers([f"*.{base}"], f"{label}.{base}")
    assert not covers([f"*.{base}"], base)
    assert not covers([f"*.{base}"], f"{label}.{label}.{base}")
    assert covers([base], base)


def test_an_apex_is_what_was_registered():
    assert [name for name in ("example.com", "www.example.com", "example.co.uk", "co.uk") if domain_names.is_apex(name)] == [
        "example.com",
        "example.co.uk",
    ]
    with pytest.raises(Invalid):
        check_name("Www.Example.com", PANEL)


BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
NOTHING = Check(None, None, (), None)
CLAIM = Domain(UUID(int=1), UUID(int=2), "www.example.com", "token", BEGIN, None, None, None, None, BEGIN, BEGIN, NOTHING)
CHECKS = st.builds(Check, st.sampled_from([None, "no proof"]), st.sampled_from([None, True, False]), st.just(()), st.none())
STEPS = st.lists(st.tuples(CHECKS, st.timedeltas(timedelta(seconds=1), timedelta(days=20))), min_size=1, max_size=12)


@settings(max_examples=60)
@given(STEPS)
def test_a_domain_is_verified_from_its_proof_until_a_month_without(steps):
    domain, now = CLAIM, BEGIN
    for found, later in steps:
        now += later
        before, domain = domain, judged(domain, found, now)
        assert domain.is_verified == (found.proof_problem is None or (before.is_verified and now - (before.lost_at or now) < GRACE))
        assert (domain.lost_at is not None) == (domain.is_verified and found.proof_problem is not None)
        assert not is_warned(domain) or domain.lost_at
        assert domain.checked_at == now
        pause = domain.next_check_at and domain.next_check_at - now
        if domain.lost_at:
            assert pause == LOST_PAUSE
        elif domain.is_verified:
            assert MIN_PAUSE <= pause <= VERIFIED_PAUSE
        else:
            assert (pause is None) == (now - BEGIN >= CHECKED_FOR)
            assert pause is None or MIN_PAUSE <= pause <= MAX_PAUSE


def test_a_wildcard_is_delegated_by_a_cname_record_to_its_own_token():
    wildcard = replace(CLAIM, name="*.example.com")
    at, wanted = "_acme-challenge.example.com", f"token._acme-challenge.{PANEL}"
    proof, led, delegated = records(wildcard, f"hello.{PANEL}", (), PANEL, is_apex=False)
    assert (proof.name, led.name, led.value) == ("_skypanel-challenge.example.com", "*.example.com", f"hello.{PANEL}")
    assert (delegated.kind, delegated.name, delegated.value) == ("CNAME", at, wanted)
    told = {
        Lookup(aliases=(wanted,), fault=Fault.NO_NAME): None,
        Lookup(("a proof",), aliases=("elsewhere.example.com", wanted, "dns.example.net")): None,
        Lookup(fault=Fault.NO_NAME): f"There is no CNAME record at {at} yet that leads to {wanted}.",
        Lookup(("a proof",)): f"There is no CNAME record at {at} yet that leads to {wanted}.",
        Lookup(aliases=("other.example.net",)): f"The CNAME record at {at} leads to other.example.net, not to {wanted}.",
        Lookup(aliases=(wanted, at), fault=Fault.LOOP): f"The CNAME records of {at} lead in a circle.",
        Lookup(fault=Fault.SILENT): f"The name servers of {at} do not answer.",
    }
    assert {found: delegation_problem(wildcard, found, PANEL) for found in told} == told


def test_a_wildcard_is_active_once_it_is_delegated():
    for problem, state in ((None, DomainState.ACTIVE), ("no CNAME", DomainState.VERIFIED)):
        found = Check(None, leads_here=True, leads_to=(), address_problem=None, delegation_problem=problem)
        domain = judged(replace(CLAIM, name="*.example.com"), found, BEGIN)
        assert (domain.state, domain.problem) == (state, problem)
