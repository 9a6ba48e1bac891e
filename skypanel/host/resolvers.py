"""The DNS resolvers of sandboxes."""

from ipaddress import AddressValueError, IPv4Address
from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")
SYSTEMD_RESOLV_CONF = Path("/run/systemd/resolve/resolv.conf")


def nameservers(resolv_conf: str) -> tuple[str, ...]:
    """Return the IPv4 resolvers of a resolv.conf that a sandbox can reach. It cannot reach the host's loopback addresses."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and _reachable(words[1]):
            found.append(words[1])
    return tuple(dict.fromkeys(found))


def _reachable(text: str) -> bool:
    try:
        address = IPv4Address(text)
    except AddressValueError:
        return False
    return not address.is_loopback and not address.is_unspecified


def host_resolvers() -> tuple[str, ...]:
    """Return the host's resolvers. Behind the loopback address of systemd-resolved, return its upstream resolvers."""
    for path in (RESOLV_CONF, SYSTEMD_RESOLV_CONF):
        if path.is_file() and (found := nameservers(path.read_text())):
            return found
    return ()
