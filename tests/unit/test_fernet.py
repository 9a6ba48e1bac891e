import pytest
from cryptography.fernet import Fernet

from skypanel.domain.errors import Unavailable
from skypanel.drivers.crypto.fernet import FernetCipher
from skypanel.drivers.crypto.key_file import KeyFile, KeyFileCipher
from tests.contracts.cipher import CipherContract


def key():
    return Fernet.generate_key().decode()


class FernetRing:
    def __init__(self):
        self._keys = [key()]

    @property
    def cipher(self):
        return FernetCipher(self._keys)

    def add_key(self):
        self._keys.insert(0, key())

    def retire_keys(self):
        del self._keys[2:]


class FileRing:
    """One cipher all along: it notices that its file has changed."""

    def __init__(self, file):
        self._file = file
        file.write_text(f"{key()}\n")
        self.cipher = KeyFileCipher(file)

    def add_key(self):
        KeyFile(self._file).add()

    def retire_keys(self):
        KeyFile(self._file).retire()


class TestFernetCipher(CipherContract):
    @pytest.fixture
    def ring(self):
        return FernetRing()


class TestKeyFileCipher(CipherContract):
    @pytest.fixture
    def ring(self, tmp_path):
        return FileRing(tmp_path / "encryption.keys")


@pytest.mark.req("R12.1")
def test_the_same_text_twice_makes_two_secrets():
    cipher = FernetCipher([key()])
    assert cipher.encrypt("secret") != cipher.encrypt("secret")


@pytest.mark.req("R4.5")
def test_a_key_file_keeps_two_keys_for_its_owner_alone(tmp_path):
    ring = FileRing(tmp_path / "encryption.keys")
    for _ in range(3):
        ring.add_key()
    ring.retire_keys()
    (file,) = tmp_path.iterdir()
    assert len(file.read_text().split()) == 2
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_key_file_that_is_gone_is_unavailable(tmp_path):
    ring = FileRing(tmp_path / "encryption.keys")
    (tmp_path / "encryption.keys").unlink()
    with pytest.raises(Unavailable, match="cannot be read"):
        ring.cipher.encrypt("secret")


@pytest.mark.parametrize("secret", [b"", b"not a secret", FernetCipher([key()]).encrypt("foreign")], ids=["empty", "text", "foreign"])
def test_what_no_key_fits_is_unavailable(secret):
    cipher = FernetCipher([key()])
    with pytest.raises(Unavailable, match="no encryption key fits"):
        cipher.decrypt(secret)
    with pytest.raises(Unavailable, match="no encryption key fits"):
        cipher.rotate(secret)


@pytest.mark.parametrize("keys", [[], [""], ["too short"], [key()[:-4]]], ids=["none", "empty", "short", "cut"])
def test_a_bad_key_is_unavailable(keys):
    with pytest.raises(Unavailable, match="encryption key"):
        FernetCipher(keys)
