"""Questions to DNS, and what may be wrong with the answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

PORT = 53
MAX_RESOLVERS = 8
MAX_PORT = 65535


class RecordType(StrEnum):
    """What is asked for."""

    TXT = "TXT"
    A = "A"
    AAAA = "AAAA"


class Fault(StrEnum):
    """Why there is no answer."""

    NO_NAME = "no_name"
    NO_RECORD = "no_record"
    BOGUS = "bogus"
    BROKEN = "broken"
    REFUSED = "refused"
    SILENT = "silent"
    LYING = "lying"
    LOOP = "loop"


@dataclass(frozen=True)
class Lookup:
    """The answer to a question: the values of the records, or the fault.

    `aliases` are the names that CNAME records led to, in order. `detail` is what the fault is about: the servers that were asked, or what a
    resolver says of a signature.
    """

    values: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    fault: Fault | None = None
    detail: str = ""


@dataclass(frozen=True)
class Server:
    """A DNS server."""

    address: str
    port: int = PORT

    def __str__(self) -> str:
        if self.port == PORT:
            return self.address
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def reason(name: str, kind: RecordType, lookup: Lookup) -> str:
    """Return why a question has no answer, as a sentence."""
    about = f" ({lookup.detail})" if lookup.detail else ""
    return {
        Fault.NO_NAME: f"{name} does not exist in DNS{about}.",
        Fault.NO_RECORD: f"{name} has no {kind} record{about}.",
        Fault.BOGUS: f"The DNSSEC signatures of {name} are wrong{about}. Ask whoever runs its DNS.",
        Fault.BROKEN: f"The name servers of {name} fail (SERVFAIL){about}. Ask whoever runs its DNS.",
        Fault.REFUSED: f"The name servers of {name} refuse to answer (REFUSED){about}. They may not know the domain yet.",
        Fault.SILENT: f"The name servers of {name} do not answer{about}.",
        Fault.LYING: f"The name servers of {name} answer another question than was asked{about}.",
        Fault.LOOP: f"The CNAME records of {name} lead in a circle{about}.",
        None: "",
    }[lookup.fault]


def read_resolvers(text: str) -> tuple[Server, ...]:
    """Parse a list of resolvers such as `10.1.0.1, [2001:db8::1]:5353`. Raises Invalid."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > MAX_RESOLVERS:
        raise Invalid(f"There are more than {MAX_RESOLVERS} resolvers.", "A few are enough.")
    return tuple(_server(part) for part in parts)


def _server(text: str) -> Server:
    host, port = text, str(PORT)
    if text.startswith("["):
        host, _, port = text.removeprefix("[").partition("]")
        port = port.removeprefix(":") or str(PORT)
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if address is None or "%" in host or not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= MAX_PORT):
        raise Invalid(f"{printable(text)} is not the address of a resolver.", "Write addresses as 10.1.0.1 or [2001:db8::1]:5353.")
    return Server(str(address), int(port))


def joined(resolvers: Sequence[Server]) -> str:
    """Return a list of resolvers as it is typed."""
    return ",".join(map(str, resolvers))
