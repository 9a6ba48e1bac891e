"""What a password must be, and how often one may be guessed."""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address

from skypanel.domain.errors import Invalid, Throttled

MIN_LENGTH = 12
MAX_BYTES = 1024

WINDOW = timedelta(minutes=15)
# Somebody who guesses from one address locks nobody else out; from many, only after a good many guesses.
MOST_HERE = 10
MOST_OF_ADDRESS = 30
MOST_OF_ACCOUNT = 100

_NETWORK_BYTES = 8  # of an IPv6 address: a customer's network (RFC 6177)


@dataclass(frozen=True)
class Attempts:
    """How often signing in failed within WINDOW: to this account from this address, from the address, to the account."""

    here: int
    of_address: int
    of_account: int

    @property
    def ends_here(self) -> bool:
        """Whether one more that fails is the last for now."""
        reached = (self.here + 1 == MOST_HERE, self.of_address + 1 == MOST_OF_ADDRESS, self.of_account + 1 == MOST_OF_ACCOUNT)
        return any(reached)

    def check(self) -> None:
        """Raise Throttled if one more is too many."""
        if self.here >= MOST_HERE or self.of_address >= MOST_OF_ADDRESS or self.of_account >= MOST_OF_ACCOUNT:
            minutes = int(WINDOW.total_seconds() // 60)
            raise Throttled("That was tried too often.", f"Try again in {minutes} minutes, or sign in by a link of an administrator.")


def check_password(password: str) -> str:
    """Return `password` if it may be one; the message never shows it. Raises Invalid."""
    if len(password) < MIN_LENGTH:
        raise Invalid(f"This password has fewer than {MIN_LENGTH} characters.", "Choose a longer one: a few words, say.")
    if len(password.encode(errors="replace")) > MAX_BYTES:
        raise Invalid(f"This password has more than {MAX_BYTES} bytes.", "Choose a shorter one.")
    return password


def network(address: str) -> str:
    """Return what counts as one address: an IPv6 customer has 2^64 of them. What is no address stands for itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(parsed.packed[:_NETWORK_BYTES] + bytes(_NETWORK_BYTES)))
