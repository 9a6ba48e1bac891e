"""A sandbox's workspace does what the fake one does."""

import pytest

from tests.contract_builder import LIMITS
from tests.contract_workspace import WorkspaceContract
from tests.launcher_fixture import launcher, make_app

__all__ = ["launcher"]


class TestSandboxWorkspace(WorkspaceContract):
    @pytest.fixture
    async def workspace(self, launcher):
        async with launcher.builder.workspace(make_app(), LIMITS) as made:
            yield made
