"""The Cipher and KeyRing ports: a file of Fernet keys, which may be rotated while the panel runs."""

from pathlib import Path

from cryptography.fernet import Fernet

from skypanel.domain.errors import Unavailable
from skypanel.drivers.crypto.fernet import FernetCipher
from skypanel.host.durable import write_whole

KEPT_KEYS = 2


class KeyFileCipher:
    """Encrypts with the first key of a file, which has one key on each line. A changed file is read again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read: tuple[int, int] | None = None
        self._cipher = self._current()

    def encrypt(self, plain: str) -> bytes:
        """Encrypt a text with the newest key. Raises Unavailable."""
        return self._current().encrypt(plain)

    def decrypt(self, secret: bytes) -> str:
        """Decrypt a secret. Raises Unavailable if no key fits."""
        return self._current().decrypt(secret)

    def rotate(self, secret: bytes) -> bytes:
        """Encrypt the same text again with the newest key. Raises Unavailable if no key fits."""
        return self._current().rotate(secret)

    def fingerprint(self, plain: str) -> str:
        """Return the fingerprint of a text under the newest key. Raises Unavailable."""
        return self._current().fingerprint(plain)

    def _current(self) -> FernetCipher:
        try:
            found = self._file.stat()
            if (found.st_ino, found.st_mtime_ns) != self._read:
                self._cipher = FernetCipher(self._file.read_text().split())
                self._read = (found.st_ino, found.st_mtime_ns)
        except OSError as error:
            raise Unavailable("The encryption keys cannot be read.", "Restore the panel's key file from a backup.") from error
        return self._cipher


class KeyFile:
    """The keys of a file. Each change replaces the file atomically."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self) -> None:
        """Add a new key as the first one."""
        self._write([Fernet.generate_key().decode(), *self._keys()])

    def retire(self) -> None:
        """Remove all keys but the newest two.

        The second one stays for secrets that were written during the rotation. The next rotation removes it.
        """
        self._write(self._keys()[:KEPT_KEYS])

    def _keys(self) -> list[str]:
        return self._file.read_text().split()

    def _write(self, keys: list[str]) -> None:
        write_whole(self._file, "".join(f"{key}\n" for key in keys).encode())
