"""Parsers of environment variables. They raise Invalid with a sentence whose subject, the variable's name, is missing."""

import re
from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

from skypanel.domain.clients import parse_network
from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable
from skypanel.ports.queue import QUEUES

_Kind = TypeVar("_Kind", bound=StrEnum)

MAX_PORT = 65535
MAX_DOMAIN_LENGTH = 190  # with an app's name and a dot before it, well below DNS's 253 (RFC 1035)

_DOCKER_HOST = re.compile(r"unix://(/[A-Za-z0-9._@-]+)+|tcp://[A-Za-z0-9.-]+:[0-9]{1,5}")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def port(text: str) -> int:
    """Parse a TCP port. Raises Invalid."""
    return _number(text, MAX_PORT, ", which is not a port number")


def number_up_to(most: int) -> Callable[[str], int]:
    """Return a parser of numbers from 1 to `most`."""
    return lambda text: _number(text, most)


def number_between(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of numbers from `least` to `most`."""
    return lambda text: _number(text, most, least=least)


def _number(text: str, most: int, wrong: str = "", least: int = 1) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most):
        raise Invalid(f"is {printable(text)}{wrong}.", f"Set it to a number from {least} to {most}.")
    return int(text)


def one_of(*known: str) -> Callable[[str], str]:
    """Return a parser that accepts only the words `known`."""

    def read(text: str) -> str:
        if text not in known:
            raise Invalid(f"is {printable(text)}.", f"Set it to {' or '.join(known)}.")
        return text

    return read


def member_of(kinds: type[_Kind]) -> Callable[[str], _Kind]:
    """Return a parser of an enumeration's values."""
    read = one_of(*kinds)
    return lambda text: kinds(read(text))


def address(text: str) -> str:
    """Parse an IPv4 address. Raises Invalid."""
    try:
        return str(IPv4Address(text))
    except ValueError as error:
        raise Invalid(f"is {printable(text)}, which is not an IPv4 address.", "Write it as 127.0.0.1.") from error


def docker_daemon(text: str) -> str:
    """Parse the URL of a Docker daemon. Raises Invalid."""
    if not _DOCKER_HOST.fullmatch(text):
        raise Invalid(f"is {printable(text)}, which is not the address of a Docker daemon.", "Write it as unix:///var/run/docker.sock.")
    return text


def domain(text: str) -> str:
    """Parse a domain and drop a dot at its end. Raises Invalid."""
    name = text.lower().rstrip(".")
    if not _DOMAIN.fullmatch(name) or len(name) > MAX_DOMAIN_LENGTH:
        raise Invalid(f"is {printable(text)}, which is not a domain.", "Set it to a domain such as localhost or apps.example.com.")
    return name


def networks(text: str) -> tuple[str, ...]:
    """Parse a list of IPv4 networks, each with or without a port. Raises Invalid."""
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
    return Invalid(f"holds {printable(text)}, which is not an IPv4 network.", "Write it as 10.1.0.0/16 or 10.1.2.3/32:5432.")


def proxies(text: str) -> tuple[str, ...]:
    """Parse a list of IPv4 and IPv6 networks. Raises Invalid."""
    return tuple(map(_proxy, _parts(text)))


def _proxy(text: str) -> str:
    try:
        return str(parse_network(text))
    except ValueError as error:
        wrong = f"holds {printable(text)}, which is not a network."
        raise Invalid(wrong, "Write it as 10.1.0.0/16, 10.1.2.3 or 2001:db8:1::/48.") from error


def queues(text: str) -> tuple[str, ...]:
    """Parse a list of queue names, without duplicates. An empty list means all. Raises Invalid."""
    chosen = tuple(dict.fromkeys(_parts(text)))
    unknown = [part for part in chosen if part not in QUEUES]
    if unknown:
        raise Invalid(f"holds {printable(unknown[0])}, which is not a queue.", f"Choose among {', '.join(QUEUES)}.")
    return chosen or QUEUES


def keys(text: str) -> tuple[str, ...]:
    """Split keys at commas or spaces."""
    return tuple(text.replace(",", " ").split())


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
