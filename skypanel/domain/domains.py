"""Domains: names of their own that apps claim, and that lead to an app once its owner has proved them."""

import re
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from skypanel.domain.errors import Invalid
from skypanel.domain.ids import AppId, DomainId
from skypanel.domain.names import printable

CHALLENGE = "_skypanel-challenge."
WILDCARD = "*."
# A name of DNS has at most 253 characters, and so has that of its TXT record.
MAX_NAME_LENGTH = 253 - len(CHALLENGE)
# Names that are in no public DNS: RFC 6761, 6762, 7686 and 9476. What is below arpa belongs to the Internet's own services.
RESERVED = frozenset({"alt", "arpa", "example", "invalid", "local", "localhost", "onion", "test"})
_WRITE = "Write a domain of yours, such as www.example.com."

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)*{_LABEL}")


@dataclass(frozen=True)
class Check:
    """What a check found in DNS. A problem is a sentence, or None.

    `leads_to` are the addresses or the name that DNS gave; `leads_here` is None if it could not be told.
    """

    proof_problem: str | None
    leads_here: bool | None
    leads_to: tuple[str, ...]
    address_problem: str | None


@dataclass(frozen=True)
class Domain:
    """A claim of an app to a name. It is verified once the name's TXT record says `token`.

    `name` is in lowercase ASCII and may begin with `*.`. `lost_at` is since when a verified name has no proof any more. `next_check_at` is
    None if it is checked on demand only.
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
    attempts: int
    last: Check

    @property
    def base(self) -> str:
        """The name, without the `*.` of a wildcard."""
        return self.name.removeprefix(WILDCARD)

    @property
    def challenge(self) -> str:
        """The name of the TXT record that proves it."""
        return f"{CHALLENGE}{self.base}"


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
    if f".{base}".endswith(f".{panel_domain}") or covers(name, panel_domain):
        raise Invalid(f"{name} belongs to this panel.", f"Apps have their names below {panel_domain} already. Add a domain of your own.")
    return name


def covers(name: str, other: str) -> bool:
    """Whether a name is the other one, or a wildcard that includes it. A wildcard stands for one label (RFC 6125, 6.4.3)."""
    return name == other or (name.startswith(WILDCARD) and other.partition(".")[2] == name.removeprefix(WILDCARD))


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        return False
