"""The Passwords port: Argon2id (RFC 9106)."""

import asyncio
import secrets

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

# Each takes 64 MiB while it runs.
AT_ONCE = 2


class Argon2Passwords:
    """Hashes in threads, a few at once, so that a flood of them takes neither the machine's memory nor the event loop."""

    def __init__(self, parameters: Parameters = RFC_9106_LOW_MEMORY) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """Return what to keep of a password: parameters, salt and hash, as PHC strings write them."""
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether this is the password; None is one that fits nothing, after the same time."""
        if kept is None and self._nobodys is None:
            self._nobodys = await self.hash(secrets.token_urlsafe())
        async with self._turn:
            return await asyncio.to_thread(self._verify, kept or self._nobodys or "", password) and kept is not None

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except VerificationError:
            return False
