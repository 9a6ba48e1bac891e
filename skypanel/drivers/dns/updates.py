"""The port DnsRecords: dynamic updates (RFC 2136) that a TSIG key signs (RFC 8945), by dnspython."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
from dns.message import Message
from dns.name import Name
from dns.rcode import Rcode
from dns.update import UpdateMessage

from skypanel.domain.dns_updates import DnsAccess
from skypanel.domain.errors import Unavailable
from skypanel.domain.names import printable

UPDATE_S = 15.0
TTL_S = 60

_BAD_KEY = "Compare rfc2136_key_name, rfc2136_key_secret and rfc2136_key_algorithm with the server's configuration."
_REASONS: Mapping[Rcode, tuple[str, str]] = {
    dns.rcode.REFUSED: ("refuses to change {zone} (REFUSED)", "Allow it there: in BIND by update-policy or allow-update of the zone."),
    dns.rcode.NOTAUTH: ("is not responsible for {zone} (NOTAUTH)", "Set rfc2136_server to the zone's primary server."),
    dns.rcode.NOTZONE: ("says that the name is not in {zone} (NOTZONE)", "Correct rfc2136_zone, or leave it empty."),
    dns.rcode.NOTIMP: ("takes no updates (NOTIMP)", "Turn on dynamic updates there, or set rfc2136_server to another server."),
    dns.rcode.SERVFAIL: ("failed to change {zone} (SERVFAIL)", "Look at its log: it may not be able to write its zone or journal."),
}
_KEY_REASONS: Mapping[type[dns.tsig.PeerError], tuple[str, str]] = {
    dns.tsig.PeerBadKey: ("does not know the key (BADKEY)", _BAD_KEY),
    dns.tsig.PeerBadSignature: ("finds the signature wrong (BADSIG)", _BAD_KEY),
    dns.tsig.PeerBadTime: ("finds the time of the signature wrong (BADTIME)", "Set the clocks of both machines."),
    dns.tsig.PeerBadTruncation: ("does not accept the signature's length (BADTRUNC)", _BAD_KEY),
}


class UpdatedRecords:
    """Writes to one server, over TCP."""

    def __init__(self, access: DnsAccess) -> None:
        self._access = access

    async def publish(self, name: str, value: str) -> None:
        """Add a TXT record; others at the same name stay."""
        await self._change(name, lambda update, at: update.add(at, TTL_S, dns.rdatatype.TXT, f'"{value}"'))

    async def remove(self, name: str, value: str) -> None:
        """Remove a TXT record; others at the same name stay."""
        await self._change(name, lambda update, at: update.delete(at, dns.rdatatype.TXT, f'"{value}"'))

    async def _change(self, name: str, change: Callable[[UpdateMessage, Name], None]) -> None:
        at = dns.name.from_text(name)
        try:
            async with asyncio.timeout(UPDATE_S):
                zone = dns.name.from_text(self._access.zone) if self._access.zone else await self._zone(at)
                update = UpdateMessage(zone, **self._key())
                change(update, at)
                self._check(await self._sent(update), zone)
        except TimeoutError:
            raise self._failed(f"does not answer within {UPDATE_S:g} s", _UNREACHED) from None

    def _key(self) -> dict[str, Any]:
        if not self._access.key_name:
            return {}
        ring = dns.tsigkeyring.from_text({self._access.key_name: self._access.key_secret})
        return {"keyring": ring, "keyalgorithm": dns.name.from_text(self._access.key_algorithm)}

    async def _zone(self, name: Name) -> Name:
        """Return the zone of the server that a name is in."""
        answer = await self._sent(dns.message.make_query(name, dns.rdatatype.SOA, flags=0))
        own = [rrset.name for rrset in (*answer.answer, *answer.authority) if rrset.rdtype == dns.rdatatype.SOA]
        if not own or not answer.flags & dns.flags.AA:
            raise self._failed(f"has no zone for {_text(name)}", "Set rfc2136_server to the primary server of its zone.")
        return own[0]

    async def _sent(self, message: Message) -> Message:
        """Return the answer of the server. Raises Unavailable."""
        server = self._access.server
        try:
            return await dns.asyncquery.tcp(message, server.address, UPDATE_S, server.port)
        except dns.tsig.PeerError as error:
            raise self._failed(*_KEY_REASONS.get(type(error), ("refuses the key", _BAD_KEY))) from None
        except dns.exception.Timeout:
            raise TimeoutError from None
        except (OSError, EOFError) as error:
            raise self._failed(f"cannot be reached: {_reason(error)}", _UNREACHED) from None
        except dns.exception.DNSException as error:
            raise self._failed(f"does not answer as it should: {_reason(error)}", _UNREACHED) from None

    def _check(self, answer: Message, zone: Name) -> None:
        code = answer.rcode()
        if code != dns.rcode.NOERROR:
            why, hint = _REASONS.get(code, (f"answers {dns.rcode.to_text(code)}", "Look at its log."))
            raise self._failed(why.format(zone=_text(zone)), hint)

    def _failed(self, reason: str, hint: str) -> Unavailable:
        return Unavailable(f"The DNS server {self._access.server} {reason}.", hint)


_UNREACHED = "Check rfc2136_server, and that the server takes TCP from this machine at its port."


def _reason(error: BaseException) -> str:
    return printable(str(error) or type(error).__name__, 200)


def _text(name: Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
