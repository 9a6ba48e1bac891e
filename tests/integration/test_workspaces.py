"""A sandbox's workspace does what the fake one does."""

import pytest

from tests.contracts.builder import LIMITS
from tests.contracts.workspace import WorkspaceContract
from tests.fixtures.launcher import launcher, make_app

__all__ = ["launcher"]


class TestSandboxWorkspace(WorkspaceContract):
    @pytest.fixture
    async def workspace(self, launcher):
        async with launcher.builder.workspace(make_app(), LIMITS) as made:
            yield made
