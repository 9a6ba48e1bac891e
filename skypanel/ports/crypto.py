"""Keys and passwords."""

from typing import Protocol

from skypanel.domain.account import PublicKey


class Cipher(Protocol):
    """Encrypts secrets at rest; the newest key encrypts, older keys still decrypt."""

    def encrypt(self, plain: str) -> bytes: ...
    def decrypt(self, secret: bytes) -> str:
        """Return the secret in the clear. Raises Unavailable if no key fits."""
        ...

    def rotate(self, secret: bytes) -> bytes:
        """Return the same secret under the newest key."""
        ...


class KeyRing(Protocol):
    """The keys of a cipher, which may be changed while it is in use."""

    def add(self) -> None:
        """Have new secrets encrypted under a new key."""
        ...

    def retire(self) -> None:
        """Drop all but the newest key and the one before it."""
        ...


class Passwords(Protocol):
    """Keeps what proves a password and does not tell it."""

    async def hash(self, password: str) -> str:
        """Return what to keep of a password."""
        ...

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether this is the password of which `kept` was kept; takes as long where None was."""
        ...


class ParsePublicKey(Protocol):
    def __call__(self, text: str, name: str) -> PublicKey:
        """Return an SSH key from its line; its comment names it, or else `name`. Raises Invalid."""
        ...
