"""An authenticator in software: it makes passkeys, and signs with them, as a browser and a phone do together."""

import hashlib
import json
import secrets
import struct
from base64 import urlsafe_b64encode

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def encoded(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


class Authenticator:
    """One passkey, for one site. `flags` says whether its user was present and verified."""

    def __init__(self, origin, flags=PRESENT | VERIFIED):
        self.origin = origin
        self.flags = flags
        self.count = 0
        self.id = secrets.token_bytes(16)
        self._key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options):
        """Answer the options of a new passkey, both as JSON."""
        options = json.loads(options)
        data = self._data(options["rp"]["id"], ATTESTED) + bytes(16) + struct.pack(">H", len(self.id)) + self.id + self._public_key()
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["challenge"])
        return self._answer({"clientDataJSON": encoded(client), "attestationObject": encoded(attestation)})

    def get(self, options):
        """Answer the options of a sign-in, both as JSON."""
        options = json.loads(options)
        self.count += 1
        data, client = self._data(options["rpId"]), self._client("webauthn.get", options["challenge"])
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer({"clientDataJSON": encoded(client), "authenticatorData": encoded(data), "signature": encoded(signature)})

    def _answer(self, response):
        return json.dumps({"id": encoded(self.id), "rawId": encoded(self.id), "type": "public-key", "response": response})

    def _data(self, host, more=0):
        return hashlib.sha256(host.encode()).digest() + bytes([self.flags | more]) + struct.pack(">I", self.count)

    def _client(self, kind, challenge):
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _public_key(self):
        numbers = self._key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
