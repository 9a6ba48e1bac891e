"""The Cipher port: Fernet (https://github.com/fernet/spec) with a list of keys."""

import base64
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from skypanel.domain.errors import Unavailable

FINGERPRINT_BYTES = 4


class FernetCipher:
    """Encrypts with the first of `keys`, which is the newest, and decrypts with any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
            self._fingerprint_key = _derived(keys[0])
        except ValueError as error:
            raise Unavailable("An encryption key is missing or not well-formed.", "Restore the panel's key file from a backup.") from error

    def encrypt(self, plain: str) -> bytes:
        """Encrypt a text with the newest key."""
        return self._fernet.encrypt(plain.encode())

    def decrypt(self, secret: bytes) -> str:
        """Decrypt a secret. Raises Unavailable if no key fits."""
        try:
            return self._fernet.decrypt(secret).decode()
        except InvalidToken as error:
            raise _unreadable() from error

    def rotate(self, secret: bytes) -> bytes:
        """Encrypt the same text again with the newest key. Raises Unavailable if no key fits."""
        try:
            return self._fernet.rotate(secret)
        except InvalidToken as error:
            raise _unreadable() from error

    def fingerprint(self, plain: str) -> str:
        """Return the first bytes of a text's HMAC, in hex. Its key is derived from the newest key (HKDF, RFC 5869)."""
        code = HMAC(self._fingerprint_key, SHA256())
        code.update(plain.encode())
        return code.finalize()[:FINGERPRINT_BYTES].hex()


def _derived(key: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"skypanel fingerprint").derive(base64.urlsafe_b64decode(key))


def _unreadable() -> Unavailable:
    return Unavailable("A secret cannot be read: no encryption key fits.", "Restore the panel's key file from a backup.")
