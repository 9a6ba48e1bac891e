"""The ranges of user ids and addresses that a panel uses for its sandboxes."""

from ipaddress import IPv4Network

UIDS_PER_PANEL = 1 << 16
FIRST_UID_BASE = 1 << 20
LAST_UID_BASE = (1 << 31) - UIDS_PER_PANEL
SUBNET_PREFIX = 18
_PRIVATE = tuple(IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def parse_uid_base(text: str | int) -> int:
    """Return the first user id of a panel's range for apps. No other user may be in that range. Raises ValueError."""
    base = int(text)
    if not FIRST_UID_BASE <= base <= LAST_UID_BASE or base % UIDS_PER_PANEL:
        raise ValueError(f"{base} is no multiple of {UIDS_PER_PANEL} from {FIRST_UID_BASE} to {LAST_UID_BASE}")
    return base


def parse_subnet(text: str) -> IPv4Network:
    """Return the network of the sandboxes' addresses. Raises ValueError."""
    subnet = IPv4Network(text)
    if subnet.prefixlen != SUBNET_PREFIX or not any(map(subnet.subnet_of, _PRIVATE)):
        raise ValueError(f"{subnet} is no private network of the size /{SUBNET_PREFIX}")
    return subnet
