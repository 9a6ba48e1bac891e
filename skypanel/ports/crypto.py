"""Encryption and password hashing."""

from typing import Protocol

from skypanel.domain.account import PublicKey


class Cipher(Protocol):
    """Encrypts secrets at rest. The newest key encrypts; older keys still decrypt."""

    def encrypt(self, plain: str) -> bytes: ...
    def decrypt(self, secret: bytes) -> str:
        """Return the decrypted secret. Raises Unavailable if no key fits."""
        ...

    def rotate(self, secret: bytes) -> bytes:
        """Return the same secret, encrypted with the newest key."""
        ...

    def fingerprint(self, plain: str) -> str:
        """Return 8 hex digits that are equal for equal texts. Only with the newest key can they be computed."""
        ...


class KeyRing(Protocol):
    """The keys of a cipher, which may change while it is in use."""

    def add(self) -> None:
        """Add a new key, which encrypts from now on."""
        ...

    def retire(self) -> None:
        """Remove all keys except the two newest."""
        ...


class Passwords(Protocol):
    """Hashes passwords, so that the stored hash proves a password but does not reveal it."""

    async def hash(self, password: str) -> str:
        """Return the hash to store."""
        ...

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether a password matches the stored hash `kept`; a `kept` of None takes as long, and returns False."""
        ...


class ParsePublicKey(Protocol):
    def __call__(self, text: str, name: str) -> PublicKey:
        """Parse the line of an SSH public key. Its comment is the key's name, or else `name`. Raises Invalid."""
        ...
