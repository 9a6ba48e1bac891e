"""The current settings."""

from skypanel.domain.internet import Network, read_networks
from skypanel.domain.settings import DEFAULTS, SETTINGS, Value
from skypanel.ports.crypto import Cipher
from skypanel.ports.database import Connection
from skypanel.store import settings


async def value(conn: Connection, key: str) -> Value:
    """Return the value of a setting that is not sensitive, or its default."""
    chosen: Value | None = await settings.get(conn, key)
    return DEFAULTS[key] if chosen is None else chosen


async def receiver_networks(conn: Connection) -> tuple[Network, ...]:
    """Return the private networks in which the panel may connect to servers that users choose."""
    return read_networks(str(await value(conn, "webhook_networks")))


async def plain(conn: Connection) -> dict[str, Value]:
    """Return the values of all settings that are not sensitive, or their defaults."""
    return {**DEFAULTS, **{key: value for key, value in (await settings.all(conn)).items() if key in SETTINGS}}


async def secret(conn: Connection, cipher: Cipher, key: str) -> str:
    """Return the value of a sensitive setting; an empty text if it is not set."""
    found = (await settings.secrets(conn)).get(key)
    return "" if found is None else cipher.decrypt(found)


async def values(conn: Connection, cipher: Cipher) -> dict[str, Value]:
    """Return the values of all settings, or their defaults; sensitive ones are decrypted."""
    plain = {key: value for key, value in (await settings.all(conn)).items() if key in SETTINGS}
    secrets = {key: cipher.decrypt(secret) for key, secret in (await settings.secrets(conn)).items() if key in SETTINGS}
    return {**DEFAULTS, **plain, **secrets}
