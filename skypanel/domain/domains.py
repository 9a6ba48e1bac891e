"""Domains: names of their own that apps claim, and that lead to an app once its owner has proved them."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address

from skypanel.domain.dns import Fault, Lookup, RecordType, reason
from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AppId, DomainId
from skypanel.domain.internet import Network, is_allowed
from skypanel.domain.names import printable

CHALLENGE = "_skypanel-challenge."
# Where a CA looks for the proof of a name (RFC 8555, 8.4).
ACME_CHALLENGE = "_acme-challenge."
WILDCARD = "*."
# A name of DNS has at most 253 characters, and so has that of its TXT record.
MAX_NAME_LENGTH = 253 - len(CHALLENGE)
# Names that are in no public DNS: RFC 6761, 6762, 7686 and 9476. What is below arpa belongs to the Internet's own services.
RESERVED = frozenset({"alt", "arpa", "example", "invalid", "local", "localhost", "onion", "test"})
_WRITE = "Write a domain of yours, such as www.example.com."

# Checks become rarer, from one that follows at once to one an hour, and end after three days.
MIN_PAUSE, MAX_PAUSE = timedelta(seconds=5), timedelta(hours=1)
CHECKED_FOR = timedelta(hours=72)
VERIFIED_PAUSE = timedelta(days=7)
# A verified domain without proof.
LOST_PAUSE = timedelta(days=1)
GRACE = timedelta(days=30)
FIRST_WARNING, WARN_EVERY = timedelta(days=1), timedelta(days=7)
# DNS may answer with thousands of addresses.
MAX_SHOWN = 8

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)*{_LABEL}")


class DomainState(StrEnum):
    """How far a domain is.

    PENDING waits for its TXT record, and FAILED did so for too long. VERIFIED has proof, but its other records are not right yet; those of
    ACTIVE are. LOST has no proof any more and is released after a month.
    """

    PENDING = "pending"
    FAILED = "failed"
    VERIFIED = "verified"
    ACTIVE = "active"
    LOST = "lost"


@dataclass(frozen=True)
class Check:
    """What a check found in DNS. A problem is a sentence, or None.

    `leads_to` are the addresses or the name that DNS gave; `leads_here` is None if it could not be told. `delegation_problem` is why the
    panel cannot prove a wildcard to a CA.
    """

    proof_problem: str | None
    leads_here: bool | None
    leads_to: tuple[str, ...]
    address_problem: str | None
    delegation_problem: str | None = None


@dataclass(frozen=True)
class Domain:
    """A claim of an app to a name. It is verified once the name's TXT record says `token`.

    `name` is in lowercase ASCII and may begin with `*.`. `lost_at` is since when a verified name has no proof any more. `next_check_at` is
    None if it is checked on demand only; `asked_at` is when somebody last asked for checks.
    """

    id: DomainId
    app_id: AppId
    name: str
    token: str
    created_at: datetime
    verified_at: datetime | None
    lost_at: datetime | None
    warned_at: datetime | None
    checked_at: datetime | None
    next_check_at: datetime | None
    asked_at: datetime
    last: Check

    @property
    def is_verified(self) -> bool:
        """Whether its hostname belongs to the app."""
        return self.verified_at is not None

    @property
    def state(self) -> DomainState:
        """How far it is."""
        if self.verified_at is None:
            return DomainState.PENDING if self.next_check_at else DomainState.FAILED
        if self.lost_at is not None:
            return DomainState.LOST
        is_led = self.last.leads_here and self.last.delegation_problem is None
        return DomainState.ACTIVE if is_led else DomainState.VERIFIED

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for all names one label below its base."""
        return self.name.startswith(WILDCARD)

    @property
    def base(self) -> str:
        """The name, without the `*.` of a wildcard."""
        return self.name.removeprefix(WILDCARD)

    @property
    def challenge(self) -> str:
        """The name of the TXT record that proves it."""
        return f"{CHALLENGE}{self.base}"

    @property
    def acme_challenge(self) -> str:
        """Where a CA looks for the proof of a wildcard. A CNAME record there lets the panel prove it."""
        return f"{ACME_CHALLENGE}{self.base}"

    def delegated_to(self, panel_domain: str) -> str:
        """Return where that CNAME record has to lead: only this claim's owner can have set one to its token."""
        return f"{self.token}.{ACME_CHALLENGE}{panel_domain}"

    @property
    def released_at(self) -> datetime | None:
        """When a lost domain is released."""
        return self.lost_at + GRACE if self.lost_at else None

    @property
    def problem(self) -> str | None:
        """What its owner should do something about, or None."""
        if self.is_verified and self.lost_at is None:
            return self.last.address_problem or self.last.delegation_problem
        return self.last.proof_problem


def check_typed(text: str) -> None:
    """Raise Invalid for what people type instead of a domain: a URL, an address, one with a port."""
    if not text:
        raise Invalid("No domain was given.", _WRITE)
    if "://" in text or "/" in text or "@" in text:
        raise Invalid(f"{printable(text)} is more than a domain.", "Write the name alone, such as www.example.com.")
    if _is_address(text):
        raise Invalid(f"{printable(text)} is an IP address.", _WRITE)
    if ":" in text:
        raise Invalid(f"{printable(text)} has a port.", "Write the name alone: apps have the ports of HTTP and HTTPS.")


def check_name(name: str, panel_domain: str) -> str:
    """Return a name in lowercase ASCII if an app may claim it. Raises Invalid.

    What nobody can prove is refused, and so is what belongs to the panel.
    """
    base = name.removeprefix(WILDCARD)
    labels = base.split(".")
    if len(base) > MAX_NAME_LENGTH:
        raise Invalid(f"{printable(name)} is too long.", f"A domain has up to {MAX_NAME_LENGTH} characters here.")
    if not _NAME.fullmatch(name) or labels[-1].isdigit():
        raise Invalid(f"{printable(name)} is not a domain.", _WRITE)
    if labels[-1] in RESERVED:
        raise Invalid(f"{name} is not in the public DNS: .{labels[-1]} is reserved.", _WRITE)
    if len(labels) == 1:
        raise Invalid(f"{name} is not a whole domain.", _WRITE)
    if is_of_panel(name, panel_domain):
        raise Invalid(f"{name} belongs to this panel.", f"Apps have their names below {panel_domain} already. Add a domain of your own.")
    return name


def is_of_panel(name: str, panel_domain: str) -> bool:
    """Whether a name, which may be a wildcard, is the panel's domain, one below it, or includes it."""
    return f".{name.removeprefix(WILDCARD)}".endswith(f".{panel_domain}") or covers([name], panel_domain)


def covers(names: Collection[str], name: str) -> bool:
    """Whether a name is among these, or a wildcard among them includes it."""
    return name in names or wildcard_of(name) in names


def wildcard_of(name: str) -> str:
    """Return the wildcard that includes a name. It stands for one label (RFC 6125, 6.4.3)."""
    return f"{WILDCARD}{name.partition('.')[2]}"


def proves(texts: Lookup, token: str) -> bool:
    """Whether TXT records say a token, with quotes and spaces around it or not."""
    return token in {value.strip().strip('"').strip() for value in texts.values}


@dataclass(frozen=True)
class Findings:
    """What is in DNS about a domain: its TXT records, its A and AAAA records, and what is at `acme_challenge` of a wildcard."""

    texts: Lookup
    addresses: Sequence[Lookup]
    delegation: Lookup | None = None


def checked(domain: Domain, findings: Findings, panel_domain: str, own: Sequence[Network]) -> Check:
    """Return what a check found. Addresses should be among the panel's `own`."""
    texts, addresses, delegation = findings.texts, findings.addresses, findings.delegation
    found = tuple(value for lookup in addresses for value in lookup.values)
    aliases = next((lookup.aliases for lookup in addresses if lookup.aliases), ())
    is_alias = any(f".{alias}".endswith(f".{panel_domain}") for alias in aliases)
    led = (True, None) if is_alias else _compared(domain.name, found, own) if found else _without_address(domain.name, addresses, aliases)
    proof_problem = None if proves(texts, domain.token) else _without_proof(domain, texts)
    undelegated = None if delegation is None else delegation_problem(domain, delegation, panel_domain)
    return Check(proof_problem, led[0], found[:MAX_SHOWN] or aliases[-1:], led[1], undelegated)


def delegation_problem(domain: Domain, found: Lookup, panel_domain: str) -> str | None:
    """Return why the panel cannot prove a wildcard to a CA by what was found at its `acme_challenge`, or None if it can."""
    wanted = domain.delegated_to(panel_domain)
    if found.fault is not Fault.LOOP and wanted in found.aliases:
        return None
    if found.fault not in {None, Fault.NO_NAME, Fault.NO_RECORD}:
        return reason(domain.acme_challenge, RecordType.TXT, found)
    if found.aliases:
        return f"The CNAME record at {domain.acme_challenge} leads to {found.aliases[0]}, not to {wanted}."
    return f"There is no CNAME record at {domain.acme_challenge} yet that leads to {wanted}."


def _without_proof(domain: Domain, texts: Lookup) -> str:
    if texts.fault in {Fault.NO_NAME, Fault.NO_RECORD}:
        return f"There is no TXT record at {domain.challenge} yet."
    if texts.fault is not None:
        return reason(domain.challenge, RecordType.TXT, texts)
    return f"The TXT record at {domain.challenge} says {printable(texts.values[0])}, not {domain.token}."


def _without_address(name: str, addresses: Sequence[Lookup], aliases: Sequence[str]) -> tuple[bool | None, str]:
    failed = next((lookup for lookup in addresses if lookup.fault not in {None, Fault.NO_NAME, Fault.NO_RECORD}), None)
    if failed is not None:
        return None, reason(name, RecordType.A, failed)
    return False, f"{name} leads to {aliases[-1]}, which has no address." if aliases else f"{name} has no address yet."


def _compared(name: str, found: Sequence[str], own: Sequence[Network]) -> tuple[bool | None, str | None]:
    strays = [value for value in found if not is_allowed(ip_address(value), own)]
    if not strays:
        return True, None
    if not own:
        return None, "The panel does not know its own addresses. Ask an administrator to set public_addresses."
    more = len(strays) - MAX_SHOWN
    listed = " and ".join([*strays[:MAX_SHOWN], *([f"{more} more"] if more > 0 else ())])
    others = f"{name} leads to {listed}, which {'is' if len(strays) == 1 else 'are'} not this panel"
    return False, f"{others}." if len(strays) == len(found) else f"{others}, beside this panel. Remove that record."


def judged(domain: Domain, found: Check, now: datetime) -> Domain:
    """Return a domain after a check.

    It is verified once it has proof. Without proof it stays verified for GRACE, and is then released.
    """
    verified_at, lost_at = domain.verified_at, None
    if found.proof_problem is None:
        verified_at = verified_at or now
    elif verified_at is not None:
        lost_at = domain.lost_at or now
        if now - lost_at >= GRACE:
            verified_at = lost_at = None
    after = replace(
        domain, verified_at=verified_at, lost_at=lost_at, warned_at=domain.warned_at if lost_at else None, checked_at=now, last=found
    )
    pause = _pause(after, now)
    return replace(after, next_check_at=now + pause if pause else None)


def is_warned(domain: Domain) -> bool:
    """Whether its owners are to be warned after the last check that it will be released."""
    if domain.lost_at is None or domain.checked_at is None:
        return False
    last = domain.warned_at
    return domain.checked_at - last >= WARN_EVERY if last else domain.checked_at - domain.lost_at >= FIRST_WARNING


def _pause(domain: Domain, now: datetime) -> timedelta | None:
    if domain.lost_at is not None:
        return LOST_PAUSE
    age = now - domain.asked_at
    if domain.state is not DomainState.ACTIVE and age < CHECKED_FOR:
        return min(max(age / 10, MIN_PAUSE), MAX_PAUSE)
    return VERIFIED_PAUSE if domain.is_verified else None


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        return False


class RecordState(StrEnum):
    """What the last check found of a record."""

    UNKNOWN = "unknown"
    SET = "set"
    MISSING = "missing"
    DIFFERENT = "different"


@dataclass(frozen=True)
class Record:
    """A record to set in DNS, and what the last check found."""

    kind: str
    name: str
    value: str
    state: RecordState


def records(domain: Domain, target: str, addresses: Sequence[str], panel_domain: str, *, is_apex: bool) -> tuple[Record, ...]:
    """Return the records that a domain needs: the one that proves it, and those that lead it to the app's hostname `target`.

    An apex cannot be a CNAME (RFC 1034, 3.6.2): it has the panel's addresses, or where they are not known, an ALIAS or ANAME. A wildcard
    has one more, which lets the panel prove it to a CA.
    """
    proof = Record("TXT", domain.challenge, domain.token, _proof_state(domain))
    led = _address_state(domain)
    if domain.is_wildcard:
        delegated = Record("CNAME", domain.acme_challenge, domain.delegated_to(panel_domain), _delegation_state(domain))
        return proof, Record("CNAME", domain.name, target, led), delegated
    if not is_apex:
        return proof, Record("CNAME", domain.name, target, led)
    if not addresses:
        return proof, Record("ALIAS or ANAME", domain.name, target, led)
    kinds = {4: "A", 6: "AAAA"}
    return proof, *(Record(kinds[ip_address(each).version], domain.name, each, led) for each in addresses)


def _proof_state(domain: Domain) -> RecordState:
    if domain.checked_at is None:
        return RecordState.UNKNOWN
    return RecordState.MISSING if domain.last.proof_problem else RecordState.SET


def _delegation_state(domain: Domain) -> RecordState:
    if domain.checked_at is None:
        return RecordState.UNKNOWN
    return RecordState.MISSING if domain.last.delegation_problem else RecordState.SET


def _address_state(domain: Domain) -> RecordState:
    if domain.last.leads_here is None:
        return RecordState.UNKNOWN
    if domain.last.leads_here:
        return RecordState.SET
    return RecordState.DIFFERENT if domain.last.leads_to else RecordState.MISSING
