"""The Passwords port: Argon2id (RFC 9106)."""

import asyncio
import secrets

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

# Each takes 64 MiB while it runs.
AT_ONCE = 2


class Argon2Passwords:
    """Hashes in threads, a few at a time. So many sign-ins exhaust neither the machine's memory nor block the event loop."""

    def __init__(self, parameters: Parameters = RFC_9106_LOW_MEMORY) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._decoy_hash: str | None = None

    async def hash(self, password: str) -> str:
        """Return a password's hash as a PHC string: parameters, salt and hash."""
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether the password matches a hash. With None it never matches, but takes the same time (no timing leak)."""
        if kept is None and self._decoy_hash is None:
            self._decoy_hash = await self.hash(secrets.token_urlsafe())
        async with self._turn:
            return await asyncio.to_thread(self._verify, kept or self._decoy_hash or "", password) and kept is not None

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except VerificationError:
            return False
