"""The OneTimeCodes port, by pyotp."""

from datetime import datetime

import pyotp

from skypanel.domain.two_factor import Setup

ISSUER = "SkyPanel"
# How many time steps a clock may be wrong.
SKEW = 1


class TotpCodes:
    """Codes of six digits that change every 30 s, as all apps support them."""

    def secret(self) -> str:
        """Return a new random secret."""
        return pyotp.random_base32()

    def setup(self, secret: str, email: str) -> Setup:
        """Return what an app is given."""
        return Setup(secret, pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER))

    def step(self, secret: str, code: str, now: datetime) -> int | None:
        """Return the time step that a code belongs to, or None."""
        totp = pyotp.TOTP(secret)
        current = totp.timecode(now)
        steps = range(current - SKEW, current + SKEW + 1)
        # Each is compared, in constant time, whichever of them fits.
        fitting = [step for step in steps if pyotp.utils.strings_equal(totp.generate_otp(step), code)]
        return fitting[0] if fitting else None
