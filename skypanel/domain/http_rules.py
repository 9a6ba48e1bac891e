"""How requests to an app are served: its limits of time, and HTTPS."""

from collections.abc import Mapping
from dataclasses import dataclass

from skypanel.domain.errors import Invalid

DEFAULT_TIMEOUT_S = 600
MAX_TIMEOUT_S = 86_400
MAX_HSTS_S = 63_072_000  # two years, as https://hstspreload.org recommends
SETTINGS = ("first_byte_timeout_s", "idle_timeout_s", "hsts_max_age_s")


@dataclass(frozen=True)
class OwnHttpRules:
    """What an app has chosen; None follows the panel's settings."""

    first_byte_timeout_s: int | None = None
    idle_timeout_s: int | None = None
    https_redirect: bool | None = None


@dataclass(frozen=True)
class HttpRules:
    """How an app's requests are served.

    A dyno has `first_byte_timeout_s` to begin its response, which ends if neither side then sends anything for `idle_timeout_s`.
    `https_redirect` is whether requests over HTTP are redirected to HTTPS; None redirects those for hosts with a certificate that browsers
    trust. `hsts_max_age_s` is how long browsers that came over HTTPS keep to it; 0 is not at all.
    """

    first_byte_timeout_s: float = DEFAULT_TIMEOUT_S
    idle_timeout_s: float = DEFAULT_TIMEOUT_S
    https_redirect: bool | None = None
    hsts_max_age_s: int = 0


def rules(own: OwnHttpRules, settings: Mapping[str, object]) -> HttpRules:
    """Return the rules of an app under the panel's settings."""
    chosen = {key: int(str(settings[key])) for key in SETTINGS}
    return HttpRules(
        own.first_byte_timeout_s or chosen["first_byte_timeout_s"],
        own.idle_timeout_s or chosen["idle_timeout_s"],
        own.https_redirect,
        chosen["hsts_max_age_s"],
    )


def check_timeout(seconds: int) -> int:
    """Return a timeout if it is within the limits. Raises Invalid."""
    if not 1 <= seconds <= MAX_TIMEOUT_S:
        raise Invalid(f"A timeout cannot be {seconds} s.", f"Choose from 1 to {MAX_TIMEOUT_S} s.")
    return seconds


def read_timeout(text: str) -> int:
    """Parse a timeout in seconds. Raises Invalid."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_TIMEOUT_S))):
        raise Invalid("A timeout is a number of seconds.", f"Write a number from 1 to {MAX_TIMEOUT_S}.")
    return check_timeout(int(text))


def read_max_age(text: str) -> int:
    """Parse the time of Strict-Transport-Security in seconds. Raises Invalid."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_HSTS_S)) and int(text) <= MAX_HSTS_S):
        raise Invalid("This is no time in seconds.", f"Write a number from 0 to {MAX_HSTS_S}.")
    return int(text)
