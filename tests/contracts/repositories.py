"""The contract of the port Repositories. A subclass provides the fixture `repositories`."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from skypanel.domain.errors import NotFound

SOON = timedelta(seconds=1)


class RepositoriesContract:
    async def test_a_new_repository_is_empty(self, repositories):
        app_id = uuid4()
        await repositories.create(app_id)
        assert await repositories.refs(app_id) == {}
        assert str(app_id) in repositories.path(app_id)

    async def test_making_one_again_keeps_it(self, repositories):
        app_id = uuid4()
        await repositories.create(app_id)
        before = datetime.now(UTC) + SOON
        await repositories.create(app_id)
        assert await repositories.unborn(before) == [app_id]

    async def test_removing_may_be_repeated(self, repositories):
        app_id = uuid4()
        await repositories.create(app_id)
        await repositories.remove(app_id)
        await repositories.remove(app_id)
        assert await repositories.unborn(datetime.now(UTC) + SOON) == []

    async def test_a_repository_that_is_gone_has_no_refs_to_show(self, repositories):
        with pytest.raises(NotFound):
            await repositories.refs(uuid4())

    async def test_a_repository_that_is_gone_has_no_head(self, repositories):
        with pytest.raises(NotFound):
            await repositories.head(uuid4())

    async def test_head_is_what_was_pointed_at(self, repositories):
        app_id = uuid4()
        await repositories.create(app_id)
        assert await repositories.head(app_id) == "refs/heads/main"
        await repositories.point_head(app_id, "refs/heads/größe")
        assert await repositories.head(app_id) == "refs/heads/größe"

    async def test_a_young_repository_does_not_count_as_unborn(self, repositories):
        await repositories.create(uuid4())
        assert await repositories.unborn(datetime.now(UTC) - timedelta(hours=1)) == []

    async def test_sweeping_nothing_is_no_error(self, repositories):
        await repositories.sweep(datetime.now(UTC))

    async def test_its_size_is_that_of_its_files(self, repositories):
        app_id = uuid4()
        await repositories.create(app_id)
        empty = await repositories.size_bytes(app_id)
        await asyncio.to_thread(Path(repositories.path(app_id), "objects", "more").write_bytes, bytes(5000))
        assert await repositories.size_bytes(app_id) == empty + 5000
