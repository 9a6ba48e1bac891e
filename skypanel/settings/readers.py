"""What the value of a variable may be. A reader raises Invalid, with a sentence that goes on from the variable's name."""

import re
from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable
from skypanel.domain.proxies import parse_network
from skypanel.ports.queue import QUEUES

_Kind = TypeVar("_Kind", bound=StrEnum)

MAX_PORT = 65535
MAX_DOMAIN_LENGTH = 190  # with an app's name before it and a dot, well below DNS's 253 (RFC 1035)

_DOCKER_HOST = re.compile(r"unix://(/[A-Za-z0-9._@-]+)+|tcp://[A-Za-z0-9.-]+:[0-9]{1,5}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def port(text: str) -> int:
    """Read a TCP port."""
    return _number(text, MAX_PORT, ", which is no port")


def number_up_to(most: int) -> Callable[[str], int]:
    """Return what reads a number from 1 on."""
    return lambda text: _number(text, most)


def _number(text: str, most: int, wrong: str = "") -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most):
        raise Invalid(f"is {printable(text)}{wrong}.", f"Set it to a number from 1 to {most}.")
    return int(text)


def one_of(*known: str) -> Callable[[str], str]:
    """Return what reads one of a few words."""

    def read(text: str) -> str:
        if text not in known:
            raise Invalid(f"is {printable(text)}.", f"Set it to {' or '.join(known)}.")
        return text

    return read


def member_of(kinds: type[_Kind]) -> Callable[[str], _Kind]:
    """Return what reads a word of an enumeration."""
    read = one_of(*kinds)
    return lambda text: kinds(read(text))


def address(text: str) -> str:
    """Read an IPv4 address."""
    try:
        return str(IPv4Address(text))
    except ValueError as error:
        raise Invalid(f"is {printable(text)}, which is no IPv4 address.", "Write it as 127.0.0.1.") from error


def docker_daemon(text: str) -> str:
    """Read where a Docker daemon listens."""
    if not _DOCKER_HOST.fullmatch(text):
        raise Invalid(f"is {printable(text)}, where no Docker daemon can be.", "Write it as unix:///var/run/docker.sock.")
    return text


def domain(text: str) -> str:
    """Read a domain; a dot at its end is left out."""
    name = text.lower().rstrip(".")
    if not _DOMAIN.fullmatch(name) or len(name) > MAX_DOMAIN_LENGTH:
        raise Invalid(f"is {printable(text)}, which is no domain.", "Set it to a domain such as localhost or apps.example.com.")
    return name


def networks(text: str) -> tuple[str, ...]:
    """Read IPv4 networks, with or without a port."""
    return tuple(map(_network, _parts(text)))


def _network(text: str) -> str:
    network, colon, of_port = text.partition(":")
    try:
        checked = str(IPv4Network(network))
    except ValueError as error:
        raise _no_network(text) from error
    if not colon:
        return checked
    if not of_port:
        raise _no_network(text)
    return f"{checked}:{port(of_port)}"


def _no_network(text: str) -> Invalid:
    return Invalid(f"holds {printable(text)}, which is no IPv4 network.", "Write it as 10.1.0.0/16 or 10.1.2.3/32:5432.")


def proxies(text: str) -> tuple[str, ...]:
    """Read networks of IPv4 and IPv6."""
    return tuple(map(_proxy, _parts(text)))


def _proxy(text: str) -> str:
    try:
        return str(parse_network(text))
    except ValueError as error:
        wrong = f"holds {printable(text)}, which is no network."
        raise Invalid(wrong, "Write it as 10.1.0.0/16, 10.1.2.3 or 2001:db8:1::/48.") from error


def queues(text: str) -> tuple[str, ...]:
    """Read names of queues, each once; all of them where there is none."""
    chosen = tuple(dict.fromkeys(_parts(text)))
    unknown = [part for part in chosen if part not in QUEUES]
    if unknown:
        raise Invalid(f"holds {printable(unknown[0])}, which is no queue.", f"Choose among {', '.join(QUEUES)}.")
    return chosen or QUEUES


def keys(text: str) -> tuple[str, ...]:
    """Read keys with commas or spaces between."""
    return tuple(text.replace(",", " ").split())


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
