"""Two-factor sign-in: a code of an app (TOTP, RFC 6238) after the password, or a recovery code."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# Wrong codes of one account within the window of attempts: six digits are few, so this is less than for passwords.
MOST_OF_CODES = 30
CODE_LIFE = timedelta(minutes=10)
RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10  # 80 random bits, so that a plain hash is enough

_DIGITS = re.compile(r"[0-9]{6}")


@dataclass(frozen=True)
class TwoFactor:
    """Whether and since when an account has two-factor sign-in, and how many recovery codes are left."""

    since: datetime | None
    codes_left: int

    @property
    def is_on(self) -> bool:
        """Whether sign-in asks for a code."""
        return self.since is not None


@dataclass(frozen=True)
class Setup:
    """A secret that an app is to be given, as text and as the URL in a QR code (otpauth://)."""

    secret: str = field(repr=False)
    url: str = field(repr=False)


@dataclass(frozen=True)
class SignIn:
    """A sign-in by password or link. `secret` is that of the session, or of a sign-in that `needs_code` before there is one."""

    secret: str = field(repr=False)
    needs_code: bool = False


def plain(code: str) -> str:
    """Return a code as it is compared: without spaces and dashes, in lower case."""
    return re.sub(r"[\s-]", "", code).lower()


def is_of_app(code: str) -> bool:
    """Whether a plain code has the form of an app's."""
    return _DIGITS.fullmatch(code) is not None


def grouped(code: str) -> str:
    """Return a recovery code in groups of four."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))
