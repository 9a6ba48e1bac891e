"""A deploy beside the one that was live before it, and what a rollback would change."""

from collections.abc import Mapping
from dataclasses import dataclass

from skypanel.domain.app import App
from skypanel.domain.comparison import MAX_FILES, FileChanges, KeyChanges, is_commit, keys
from skypanel.domain.deploy import Deploy
from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.ids import ConfigVersionId
from skypanel.domain.release import Release
from skypanel.ports.database import Connection
from skypanel.ports.panel import Panel
from skypanel.store import config_vars, releases, slugs


@dataclass(frozen=True)
class Comparison:
    """What a deploy changed since the release before it.

    `files` is None if the files cannot be compared: one is an archive, or the panel does not have both commits. `keys` is None while the
    deploy has no release.
    """

    before: Release
    old_commit: str | None
    new_commit: str | None
    files: FileChanges | None
    keys: KeyChanges | None

    @property
    def is_same_commit(self) -> bool:
        """Whether both are of the same commit, as after a change of config vars."""
        return self.old_commit is not None and self.old_commit == self.new_commit


async def with_previous(panel: Panel, deploy: Deploy) -> Comparison | None:
    """Compare a deploy with the newest release that was live before it; None if there was none."""
    made = deploy.build or deploy.release
    if made is None:
        return None
    async with panel.autocommit() as conn:
        before = await releases.live_before(conn, deploy.app.id, made.created_at)
        if before is None:
            return None
        old = await _commit(conn, before)
        new = deploy.build.source.commit if deploy.build else await _commit(conn, deploy.release)
        changed = await _keys(panel, conn, before.config_version_id, deploy.release.config_version_id) if deploy.release else None
    return Comparison(before, old, new, await _files(panel, deploy.app, old, new), changed)


async def since(panel: Panel, app: App, release: Release) -> KeyChanges:
    """Return how the config vars of now differ from those of a release. A rollback to it keeps those of now."""
    async with panel.autocommit() as conn:
        return await _keys(panel, conn, release.config_version_id, (await config_vars.head(conn, app.id)).id)


async def _commit(conn: Connection, release: Release | None) -> str | None:
    return (await slugs.get(conn, release.slug_id)).commit if release and release.slug_id else None


async def _keys(panel: Panel, conn: Connection, before_id: ConfigVersionId, after_id: ConfigVersionId) -> KeyChanges:
    if before_id == after_id:
        return KeyChanges()
    return keys(await _values(panel, conn, before_id), await _values(panel, conn, after_id))


async def _values(panel: Panel, conn: Connection, version_id: ConfigVersionId) -> Mapping[str, str]:
    return {key: panel.cipher.decrypt(secret) for key, secret in (await config_vars.get(conn, version_id)).secrets.items()}


async def _files(panel: Panel, app: App, old: str | None, new: str | None) -> FileChanges | None:
    if old is None or new is None or not (is_commit(old) and is_commit(new)):
        return None
    if old == new:
        return FileChanges((), has_more=False)
    try:
        return await panel.repositories.changes(app.id, old, new, MAX_FILES)
    except (Invalid, NotFound):  # a commit that was not pushed here, or whose push failed
        return None
