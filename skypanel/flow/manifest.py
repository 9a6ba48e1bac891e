"""Manifests: everything that a scheduler needs."""

from skypanel.domain.app import App
from skypanel.domain.errors import Conflict
from skypanel.domain.manifest import Manifest, Process
from skypanel.domain.release import Release
from skypanel.ports.crypto import Cipher
from skypanel.ports.database import Connection
from skypanel.store import config_vars, formation, slugs


async def manifest_of(cipher: Cipher, conn: Connection, app: App, release: Release) -> Manifest:
    """Return the manifest of a release with the app's current formation. Raises Conflict if the release has no slug.

    If the app is suspended, the manifest has no dynos.
    """
    if release.slug_id is None:
        raise Conflict(f"v{release.version} of {app.name} has nothing to run.", "Push to it first.")
    slug = await slugs.get(conn, release.slug_id)
    config = await config_vars.get(conn, release.config_version_id)
    quantities = {} if app.suspension else await formation.get(conn, app.id)
    return Manifest(
        app_id=app.id,
        app_number=app.number,
        app_name=app.name,
        organization_id=app.organization_id,
        release_id=release.id,
        version=release.version,
        generation=app.generation,
        slug_digest=slug.digest,
        processes=tuple(Process(name, command, quantities.get(name, 0)) for name, command in slug.process_types.items()),
        limits=app.plan.limits(),
        health=app.health,
        config_vars={key: cipher.decrypt(secret) for key, secret in config.secrets.items()},
    )
