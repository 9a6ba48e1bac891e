import hashlib
from datetime import UTC, datetime

from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.storage import StoredObject
from skypanel.ports.objects import Stored


class FakeObjects:
    """Objects by (kind, name) in `stored`. Their times are in `modified`, by default now."""

    def __init__(self):
        self.stored = {}
        self.modified = {}

    async def add(self, kind, chunks, max_bytes=None):
        body = b""
        async for chunk in chunks:
            body += chunk
            if max_bytes is not None and len(body) > max_bytes:
                raise Invalid("It is too large.")
        digest = hashlib.sha256(body).hexdigest()
        self._write(kind, digest, body)
        return Stored(digest, len(body))

    async def read(self, kind, digest):
        key = _object_key(kind, digest)
        if key not in self.stored:
            raise NotFound(f"There is no object {digest}.")
        yield self.stored[key]

    async def put(self, kind, name, body):
        self._write(kind, name, body)

    async def exists(self, kind, digest):
        return _object_key(kind, digest) in self.stored

    async def delete(self, kind, digest, before=None):
        key = _object_key(kind, digest)
        if before is None or self._modified_at(key) < before:
            self.stored.pop(key, None)

    async def list(self, kind):
        for key in [key for key in self.stored if key[0] == kind]:
            yield StoredObject(key[1], self._modified_at(key))

    async def url(self, kind, digest, life_s):
        return None

    async def sweep(self, before):
        pass

    async def close(self):
        pass

    def _write(self, kind, name, body):
        self.stored[_object_key(kind, name)] = body
        self.modified.pop((kind, name), None)

    def _modified_at(self, key):
        return self.modified.get(key) or datetime.now(UTC)


def _object_key(kind, name):
    if kind not in {"sources", "slugs", "outputs"} or not name or name.startswith("."):
        raise Invalid(f"{kind}/{name} cannot name an object.")
    return kind, name
