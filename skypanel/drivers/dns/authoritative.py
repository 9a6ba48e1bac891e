"""The port Dns by dnspython.

A resolver says which servers are responsible for a name, and whether the zone's signatures are right. Those servers are then asked, because
a resolver may remember for hours that there was no record.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
from dns.edns import EDEOption
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType

from skypanel.domain.dns import PORT, Fault, Lookup, RecordType, Server
from skypanel.domain.internet import IpAddress, is_public
from skypanel.tasks import together

# A question may get lost, so it is asked twice.
WAITS_S = (1.0, 2.0)
# Each has some sockets open, and anybody who may add a domain can ask.
AT_ONCE = 100
MAX_ALIASES = 8
MAX_SERVERS = 6
# The limit of most resolvers, so that no answer is fragmented (https://www.dnsflagday.net/2020/).
PAYLOAD_BYTES = 1232

_TYPES: Mapping[RecordType, RdataType] = {
    RecordType.TXT: dns.rdatatype.TXT,
    RecordType.A: dns.rdatatype.A,
    RecordType.AAAA: dns.rdatatype.AAAA,
}
_FAULTS = {dns.rcode.SERVFAIL: Fault.BROKEN, dns.rcode.REFUSED: Fault.REFUSED}
# If servers disagree, the first of these says most.
_TELLING = (Fault.LOOP, Fault.NO_RECORD, Fault.NO_NAME, Fault.LYING, Fault.BROKEN, Fault.REFUSED, Fault.SILENT)

MayAsk = Callable[[IpAddress], bool]


class _Resolvers:
    """The resolvers of one lookup. The one that answered last is asked first."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = list(servers)

    async def read(self, name: Name, kind: RdataType) -> tuple[Lookup, Name | None]:
        """Return the answer, and the name that the name is an alias of."""
        answer = await self.ask(name, kind)
        return (answer, None) if isinstance(answer, Lookup) else _read(answer, name, kind, "")

    async def ask(self, name: Name, kind: RdataType) -> Message | Lookup:
        """Return the answer of the first resolver that answers, or the fault."""
        query = dns.message.make_query(name, kind, use_edns=0, payload=PAYLOAD_BYTES)
        failed = Lookup(fault=Fault.SILENT, detail="no resolver answers")
        for wait_s in WAITS_S:
            for server in tuple(self._servers):
                answer = await _sent(query, server, wait_s)
                fault = answer if isinstance(answer, Fault) else _FAULTS.get(answer.rcode())
                if isinstance(answer, Message) and fault in {None, Fault.BROKEN}:
                    self._servers.sort(key=lambda each, server=server: each != server)  # type: ignore[misc]
                    return answer if fault is None else await _told_apart(name, kind, answer, server)
                failed = Lookup(fault=fault, detail=f"the resolver {server}")
        return failed


class AuthoritativeDns:
    """Asks authoritative servers at `port`, if `may_ask` allows their address; otherwise the resolver answers in their place.

    Whoever claims a domain chooses its servers, so the panel asks public ones only.
    """

    def __init__(self, port: int = PORT, may_ask: MayAsk = is_public) -> None:
        self._port = port
        self._may_ask = may_ask
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def look_up(self, name: str, kind: RecordType, resolvers: Sequence[Server], timeout_s: float = 8.0) -> Lookup:
        """Ask the authoritative servers of a name, and follow CNAME records."""
        chosen = tuple(resolvers) or await asyncio.to_thread(_own_resolvers)
        try:
            async with self._slots, asyncio.timeout(timeout_s):
                return await self._followed(dns.name.from_text(name), _TYPES[kind], _Resolvers(chosen))
        except TimeoutError:
            return Lookup(fault=Fault.SILENT)

    async def look_up_each(self, name: str, kind: RecordType, resolvers: Sequence[Server], timeout_s: float = 8.0) -> Sequence[Lookup]:
        """Ask each authoritative server of a name, private addresses included."""
        chosen = tuple(resolvers) or await asyncio.to_thread(_own_resolvers)
        asked = dns.name.from_text(name)
        try:
            async with self._slots, asyncio.timeout(timeout_s):
                servers, failed = await self._servers(asked, _Resolvers(chosen), _anywhere)
                answers = await together(*(_of_server(asked, _TYPES[kind], server) for server in servers))
        except TimeoutError:
            return (Lookup(fault=Fault.SILENT),)
        return (failed,) if failed else [lookup for lookup, _ in answers]

    async def _followed(self, name: Name, kind: RdataType, resolvers: _Resolvers) -> Lookup:
        aliases: tuple[str, ...] = ()
        seen = {name}
        while True:
            lookup, alias = await self._asked(name, kind, resolvers)
            if alias is None:
                return replace(lookup, aliases=aliases)
            aliases = (*aliases, _text(alias))
            if alias in seen or len(aliases) > MAX_ALIASES:
                return Lookup(aliases=aliases, fault=Fault.LOOP, detail=" to ".join(aliases[:3]))
            seen.add(alias)
            name = alias

    async def _asked(self, name: Name, kind: RdataType, resolvers: _Resolvers) -> tuple[Lookup, Name | None]:
        """Return the answer of the name's servers, and the name that it is an alias of."""
        servers, failed = await self._servers(name, resolvers, self._may_ask)
        if failed is not None:
            return failed, None
        if not servers:
            return await resolvers.read(name, kind)
        answers = await together(*(_of_server(name, kind, server) for server in servers))
        alias = next((alias for _, alias in answers if alias is not None), None)
        values = tuple(dict.fromkeys(value for lookup, _ in answers for value in lookup.values))
        if alias is not None or values:
            return Lookup(values), None if values else alias
        return min((lookup for lookup, _ in answers), key=lambda lookup: _TELLING.index(lookup.fault or Fault.NO_RECORD)), None

    async def _servers(self, name: Name, resolvers: _Resolvers, may_ask: MayAsk) -> tuple[list[Server], Lookup | None]:
        """Return the authoritative servers of a name: those of the lowest zone that it is in. None if the panel may not ask them."""
        zone = name
        while zone != dns.name.root:
            answer = await resolvers.ask(zone, dns.rdatatype.NS)
            if isinstance(answer, Lookup):
                return [], answer
            named = [
                record.target for rrset in answer.answer if rrset.name == zone and rrset.rdtype == dns.rdatatype.NS for record in rrset
            ]
            if named:
                return await self._addresses(named[:MAX_SERVERS], resolvers, may_ask), None
            zone = _next(zone, answer)
        return [], None

    async def _addresses(self, names: Sequence[Name], resolvers: _Resolvers, may_ask: MayAsk) -> list[Server]:
        kinds = (dns.rdatatype.A, dns.rdatatype.AAAA)
        found = await together(*(resolvers.read(name, kind) for kind in kinds for name in names))
        addresses = [address for lookup, _ in found for address in lookup.values if may_ask(ip_address(address))]
        return [Server(address, self._port) for address in dict.fromkeys(addresses)][:MAX_SERVERS]


def _next(zone: Name, answer: Message) -> Name:
    """Return the next zone that may be responsible: the one that the answer names, else the parent."""
    for rrset in answer.authority:
        if rrset.rdtype == dns.rdatatype.SOA and zone.is_subdomain(rrset.name) and rrset.name != zone:
            return rrset.name
    return zone.parent()


async def _told_apart(name: Name, kind: RdataType, failed: Message, server: Server) -> Lookup:
    """Return why a resolver fails: without validation (CD, RFC 4035, 3.2.2) it answers if only the signatures are wrong."""
    query = dns.message.make_query(name, kind, flags=dns.flags.RD | dns.flags.CD, use_edns=0, payload=PAYLOAD_BYTES)
    unchecked = await _sent(query, server, WAITS_S[-1])
    is_bogus = isinstance(unchecked, Message) and unchecked.rcode() != dns.rcode.SERVFAIL
    said = " ".join(option.text for option in failed.options if isinstance(option, EDEOption) and option.text)
    return Lookup(fault=Fault.BOGUS if is_bogus else Fault.BROKEN, detail="".join(each for each in said if each.isprintable())[:200])


async def _of_server(name: Name, kind: RdataType, server: Server) -> tuple[Lookup, Name | None]:
    query = dns.message.make_query(name, kind, flags=0, use_edns=0, payload=PAYLOAD_BYTES)
    answer: Message | Fault = Fault.SILENT
    for wait_s in WAITS_S:
        answer = await _sent(query, server, wait_s)
        if answer is not Fault.SILENT:
            break
    if isinstance(answer, Fault) or answer.rcode() in _FAULTS:
        return Lookup(fault=answer if isinstance(answer, Fault) else _FAULTS[answer.rcode()], detail=f"at {server}"), None
    return _read(answer, name, kind, f"at {server}")


async def _sent(query: Message, server: Server, wait_s: float) -> Message | Fault:
    try:
        answer, _ = await dns.asyncquery.udp_with_fallback(query, server.address, wait_s, server.port)
    except dns.query.BadResponse:
        return Fault.LYING
    except (dns.exception.Timeout, OSError, EOFError):
        return Fault.SILENT
    except dns.exception.DNSException:
        return Fault.BROKEN
    return answer


def _read(answer: Message, name: Name, kind: RdataType, detail: str) -> tuple[Lookup, Name | None]:
    own = [rrset for rrset in answer.answer if rrset.name == name]
    values = tuple(_value(record) for rrset in own if rrset.rdtype == kind for record in rrset)
    if values:
        return Lookup(values), None
    alias = next((record.target for rrset in own if rrset.rdtype == dns.rdatatype.CNAME for record in rrset), None)
    if alias is not None:
        return Lookup(), alias
    if answer.answer and not own:
        return Lookup(fault=Fault.LYING, detail=detail), None
    return Lookup(fault=Fault.NO_NAME if answer.rcode() == dns.rcode.NXDOMAIN else Fault.NO_RECORD, detail=detail), None


def _value(record: object) -> str:
    strings: Sequence[bytes] | None = getattr(record, "strings", None)
    return str(getattr(record, "address", "")) if strings is None else b"".join(strings).decode("ascii", "replace")


def _anywhere(_address: IpAddress) -> bool:
    return True


def _text(name: Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _own_resolvers() -> tuple[Server, ...]:
    """Return the machine's resolvers."""
    try:
        return tuple(Server(str(address)) for address in dns.resolver.Resolver().nameservers)
    except dns.resolver.NoResolverConfiguration:
        return ()
