"""The contract of the port Cipher.

A subclass provides the fixture `ring`, with `cipher`, `add_key()`, and `retire_keys()`, which removes all but the two newest keys.
"""

import re

import pytest

from skypanel.domain.errors import Unavailable


class CipherContract:
    @pytest.mark.req("R12.1")
    @pytest.mark.parametrize("plain", ["", "secret", "naïve\n\t\x01 ☃", "x" * 65536], ids=["empty", "word", "unicode", "long"])
    async def test_a_text_comes_back(self, ring, plain):
        assert ring.cipher.decrypt(ring.cipher.encrypt(plain)) == plain

    @pytest.mark.req("R12.1")
    async def test_a_secret_does_not_show_its_text(self, ring):
        assert b"secret" not in ring.cipher.encrypt("a secret")

    @pytest.mark.parametrize("foreign", [b"", b"not a secret", b"9:6669"], ids=["empty", "text", "key"])
    async def test_what_no_key_fits_is_unavailable(self, ring, foreign):
        with pytest.raises(Unavailable):
            ring.cipher.decrypt(foreign)
        with pytest.raises(Unavailable):
            ring.cipher.rotate(foreign)

    @pytest.mark.req("R4.5")
    async def test_older_keys_still_decrypt(self, ring):
        old = ring.cipher.encrypt("secret")
        ring.add_key()
        assert ring.cipher.decrypt(old) == "secret"
        assert ring.cipher.decrypt(ring.cipher.encrypt("another")) == "another"

    @pytest.mark.req("R4.5")
    async def test_what_was_rotated_outlives_the_key_it_was_under(self, ring):
        left, kept = ring.cipher.encrypt("left"), ring.cipher.encrypt("kept")
        for _ in range(2):
            ring.add_key()
            kept = ring.cipher.rotate(kept)
        ring.retire_keys()
        assert ring.cipher.decrypt(kept) == "kept"
        with pytest.raises(Unavailable):
            ring.cipher.decrypt(left)

    @pytest.mark.req("R12.2")
    async def test_a_fingerprint_is_of_the_text_and_the_newest_key(self, ring):
        cipher = ring.cipher
        first = cipher.fingerprint("secret")
        assert re.fullmatch("[0-9a-f]{8}", first)
        assert cipher.fingerprint("secret") == first
        assert cipher.fingerprint("Secret") != first
        ring.add_key()
        assert ring.cipher.fingerprint("secret") != first
