import hashlib

from skypanel.domain.errors import Unavailable


class FakeCipher:
    """Keys are numbers, newest first. A secret is its key's number and the text in hex."""

    def __init__(self):
        self.keys = [1]

    def encrypt(self, plain):
        return f"{self.keys[0]}:{plain.encode().hex()}".encode()

    def decrypt(self, secret):
        key, _, text = secret.decode().partition(":")
        if key not in map(str, self.keys):
            raise Unavailable("No key fits.")
        return bytes.fromhex(text).decode()

    def rotate(self, secret):
        return self.encrypt(self.decrypt(secret))

    def fingerprint(self, plain):
        return hashlib.sha256(f"{self.keys[0]}:{plain}".encode()).hexdigest()[:8]
