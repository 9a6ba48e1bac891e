"""Password rules, and the rate limit for attempts to sign in."""

from dataclasses import dataclass
from datetime import timedelta

from skypanel.domain.errors import Invalid, Throttled

MIN_LENGTH = 12
MAX_BYTES = 1024

WINDOW = timedelta(minutes=15)
# An attacker at one address cannot lock out other addresses. Many addresses together can, after MOST_OF_ACCOUNT failures, but
# not the addresses from which the account signed in within KNOWN_FOR.
MOST_HERE = 10
MOST_OF_ADDRESS = 30
MOST_OF_ACCOUNT = 100
KNOWN_FOR = timedelta(days=90)


@dataclass(frozen=True)
class Attempts:
    """Failed sign-ins within WINDOW: to this account from this address, from the address, and to the account."""

    here: int
    of_address: int
    of_account: int

    @property
    def ends_here(self) -> bool:
        """Whether one more failure reaches a limit."""
        reached = (self.here + 1 == MOST_HERE, self.of_address + 1 == MOST_OF_ADDRESS, self.of_account + 1 == MOST_OF_ACCOUNT)
        return any(reached)

    def check(self, *, is_known: bool = False, most: int | None = None) -> None:
        """Raise Throttled if a limit is reached. Where the account's owner `is_known`, what others tried does not count.

        `most` is the limit for the account, in place of MOST_OF_ACCOUNT.
        """
        of_others = not is_known and (self.of_address >= MOST_OF_ADDRESS or self.of_account >= (most or MOST_OF_ACCOUNT))
        if self.here >= MOST_HERE or of_others:
            minutes = int(WINDOW.total_seconds() // 60)
            raise Throttled("Too many sign-in attempts.", f"Try again in {minutes} minutes, or ask an administrator for a sign-in link.")


def check_password(password: str) -> str:
    """Return `password` if it meets the rules. Raises Invalid, whose message never shows it."""
    if len(password) < MIN_LENGTH:
        raise Invalid(f"This password has fewer than {MIN_LENGTH} characters.", "Choose a longer one, such as a few words.")
    if len(password.encode(errors="replace")) > MAX_BYTES:
        raise Invalid(f"This password has more than {MAX_BYTES} bytes.", "Choose a shorter one.")
    return password
