"""Codes of apps, and passkeys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from skypanel.domain.account import Account
from skypanel.domain.passkey import Credential, RelyingParty
from skypanel.domain.two_factor import Setup


class OneTimeCodes(Protocol):
    """Time-based one-time passwords (RFC 6238)."""

    def secret(self) -> str:
        """Return a new random secret."""
        ...

    def setup(self, secret: str, email: str) -> Setup: ...
    def step(self, secret: str, code: str, now: datetime) -> int | None:
        """Return the number of the time step that a code belongs to, or None if it is wrong. The steps beside the current one count too."""
        ...


class Passkeys(Protocol):
    """Web Authentication. `challenge` are the bytes that the browser's answer must contain."""

    def options_to_add(self, party: RelyingParty, account: Account, challenge: bytes, known: Sequence[bytes]) -> str:
        """Return the options of a new passkey as JSON. Authenticators with a credential in `known` refuse."""
        ...

    def added(self, party: RelyingParty, answer: str, challenge: bytes) -> Credential:
        """Return the credential in a browser's answer. Raises Invalid."""
        ...

    def options_to_sign_in(self, party: RelyingParty, challenge: bytes) -> str:
        """Return the options of a sign-in as JSON."""
        ...

    def credential_id(self, answer: str) -> bytes:
        """Return which credential answered. Raises Invalid."""
        ...

    def verified(self, party: RelyingParty, answer: str, challenge: bytes, credential: Credential) -> int:
        """Return how often the credential has signed by now. Raises Invalid if the answer is not that of its owner."""
        ...
