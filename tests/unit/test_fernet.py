import pytest
from cryptography.fernet import Fernet

from skypanel.domain.errors import Unavailable
from skypanel.drivers.fernet import FernetCipher


def key():
    return Fernet.generate_key().decode()


@pytest.mark.req("R12.1")
@pytest.mark.parametrize("plain", ["", "secret", "naïve\n\t\x01 ☃", "x" * 65536])
def test_a_text_comes_back(plain):
    cipher = FernetCipher([key()])
    secret = cipher.encrypt(plain)
    assert cipher.decrypt(secret) == plain
    assert secret != cipher.encrypt(plain)


@pytest.mark.req("R4.5")
def test_rotation():
    old, new = key(), key()
    secret = FernetCipher([old]).encrypt("secret")
    both = FernetCipher([new, old])
    assert both.decrypt(secret) == "secret"
    assert FernetCipher([new]).decrypt(both.rotate(secret)) == "secret"
    assert FernetCipher([new]).decrypt(both.encrypt("secret")) == "secret"


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
