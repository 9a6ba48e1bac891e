"""The contract of the port Remotes.

A subclass provides the fixtures `remotes`, `publish` and `access`. `publish` takes name, files and branch, and returns the commit;
without files, the repository stays empty. `access` returns the access to a repository by its name.
"""

from uuid import uuid4

import pytest

from skypanel.domain.errors import Denied, Invalid, NotFound, SkyPanelError
from skypanel.drivers.git.repositories import DulwichRepositories

FILES = {"Procfile": "web: serve\n", "bin/run": "#!/bin/sh\n"}


class RemotesContract:
    async def test_its_branches_are_listed_with_the_default(self, remotes, publish, access):
        first = publish("app", FILES)
        second = publish("app", {"more": "x"}, "feature/two")
        found = await remotes.branches(access("app"))
        assert found.commits == {"main": first, "feature/two": second}
        assert found.default == "main"

    async def test_an_empty_repository_has_no_branches(self, remotes, publish, access):
        publish("empty", None)
        assert (await remotes.branches(access("empty"))).commits == {}

    async def test_what_is_not_there_is_not_found_or_not_shown(self, remotes, publish, access):
        publish("app", FILES)
        with pytest.raises((NotFound, Denied)):
            await remotes.branches(access("missing"))

    async def test_the_newest_commit_of_a_branch_is_fetched(self, remotes, publish, access, tmp_path):
        publish("app", {"old": "x" * 1000})
        newest = publish("app", FILES)
        repositories, app_id = DulwichRepositories(tmp_path / "repositories"), uuid4()
        await repositories.create(app_id)
        async with remotes.fetch(access("app"), "main") as fetched:
            assert fetched.commit == newest
            tree = await repositories.tree(app_id, newest, fetched.objects)
            body = b"".join([chunk async for chunk in repositories.export(app_id, newest, fetched.objects)])
        assert tree.files == len(FILES) + 1
        assert body
        assert await repositories.refs(app_id) == {}

    async def test_a_commit_is_fetched_though_no_branch_ends_with_it(self, remotes, publish, access, tmp_path):
        old = publish("app", {"old": "x" * 1000})
        publish("app", FILES)
        repositories, app_id = DulwichRepositories(tmp_path / "repositories"), uuid4()
        await repositories.create(app_id)
        async with remotes.fetch_commit(access("app"), old, 10**6) as fetched:
            assert fetched.commit == old
            assert fetched.size_bytes > 0
            assert (await repositories.tree(app_id, old, fetched.objects)).largest_path == "old"

    async def test_a_commit_that_there_is_not_or_is_too_large_is_refused(self, remotes, publish, access):
        found = publish("app", FILES)
        for commit, max_bytes in (("1" * 40, 10**6), (found, 10)):
            with pytest.raises((Invalid, NotFound)):
                async with remotes.fetch_commit(access("app"), commit, max_bytes):
                    pass

    async def test_a_branch_that_is_gone_is_not_found(self, remotes, publish, access):
        publish("app", FILES)
        with pytest.raises(NotFound, match="no branch gone"):
            async with remotes.fetch(access("app"), "gone"):
                pass

    async def test_a_failure_inside_of_the_block_is_passed_on(self, remotes, publish, access):
        publish("app", FILES)
        with pytest.raises(SkyPanelError, match="inside"):
            async with remotes.fetch(access("app"), "main"):
                raise SkyPanelError("inside")

    async def test_every_key_is_another(self, remotes):
        one, other = remotes.new_key(), remotes.new_key()
        assert one.public_key.startswith("ssh-ed25519 ")
        assert one.public_key != other.public_key
        assert one.private_key != other.private_key
        assert one.private_key not in repr(one)
