"""Where the panel may write records to DNS, as the settings say."""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from skypanel.domain.dns import Fault, Lookup, Server, read_resolvers
from skypanel.domain.domains import ACME_CHALLENGE, WILDCARD
from skypanel.domain.errors import Invalid
from skypanel.domain.names import is_host, printable

SETTINGS = ("dns_updates", "rfc2136_server", "rfc2136_zone", "rfc2136_key_name", "rfc2136_key_secret", "rfc2136_key_algorithm")
ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224", "hmac-sha1")
MAX_KEY_LENGTH = 500

_KEY_NAME = re.compile(r"[A-Za-z0-9_.-]{1,253}")


class DnsUpdates(StrEnum):
    """How the panel writes records."""

    NONE = "none"
    RFC2136 = "rfc2136"


@dataclass(frozen=True)
class DnsAccess:
    """The primary server of a zone, which takes updates (RFC 2136), and the key that signs them (RFC 8945).

    Without a zone, the server is asked for the one that a name is in. Without a key, updates are not signed.
    """

    server: Server
    zone: str = ""
    key_name: str = ""
    key_secret: str = field(default="", repr=False)
    key_algorithm: str = ALGORITHMS[0]


def access_of(values: Mapping[str, object]) -> DnsAccess | None:
    """Return where the panel may write records, or None if it may not. Raises Invalid if the settings are incomplete."""
    if values["dns_updates"] != DnsUpdates.RFC2136:
        return None
    server, *rest = (str(values[key]) for key in SETTINGS[1:])
    if not server:
        raise Invalid("rfc2136_server: It is not set.", "Write the address of the zone's primary server.")
    if bool(values["rfc2136_key_name"]) != bool(values["rfc2136_key_secret"]):
        raise Invalid("rfc2136_key_name: A key has a name and a secret.", "Set rfc2136_key_name and rfc2136_key_secret, or neither.")
    return DnsAccess(read_resolvers(server)[0], *rest)


def read_server(text: str) -> str:
    """Return the address of a DNS server, or an empty text. Raises Invalid."""
    servers = read_resolvers(text)
    if len(servers) > 1:
        raise Invalid(f"{printable(text)} is more than one server.", "Write the address of the zone's primary server.")
    return str(servers[0]) if servers else ""


def read_zone(text: str) -> str:
    """Return the name of a zone in lowercase, or an empty text. Raises Invalid."""
    name = text.removesuffix(".").lower()
    if name and not is_host(name):
        raise Invalid(f"{printable(text)} is not the name of a zone.", "Write it like this: example.com")
    return name


def read_key_name(text: str) -> str:
    """Return the name of a key, or an empty text. Raises Invalid."""
    if text and not _KEY_NAME.fullmatch(text):
        raise Invalid(f"{printable(text)} is not the name of a key.", "Copy it from the server's configuration, such as skypanel-key.")
    return text


def read_key_secret(text: str) -> str:
    """Return the secret of a key in base64, or an empty text. Raises Invalid, whose message never shows it."""
    try:
        is_secret = len(text) <= MAX_KEY_LENGTH and bool(b64decode(text, validate=True)) == bool(text)
    except (NotBase64, ValueError):
        is_secret = False
    if not is_secret:
        raise Invalid("This is not the secret of a key.", "Copy it from the server's configuration: it is in base64.")
    return text


def challenge_name(name: str) -> str:
    """Return where the TXT record that proves a name to a CA has to be. A wildcard has that of its base."""
    return ACME_CHALLENGE + name.removeprefix(WILDCARD)


def absent_at(answers: Sequence[Lookup], value: str) -> Lookup | None:
    """Return the answer of a server without the value yet, or None if all have it.

    Servers that do not answer do not count, as long as one does: a CA asks another one then.
    """
    heard = [each for each in answers if each.fault is not Fault.SILENT]
    return next((each for each in heard or answers if value not in each.values), None if answers else Lookup(fault=Fault.SILENT))
