"""Builds have the package indexes that an administrator chose, and print no login of theirs."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest

from skypanel.domain.build import Build, BuildState, Source
from skypanel.domain.indexes import Indexes
from skypanel.flow.compile import compile_slug
from tests.fakes.objects import FakeObjects
from tests.fixtures.launcher import chunks, launcher, make_app, slug

__all__ = ["launcher"]

INDEXES = Indexes(
    "https://me:pip-secret@pypi.example.com/simple", ("http://10.1.2.3:3141/simple",), "https://me:npm%2Fsecret@npm.example.com/npm/"
)
LOOK = "echo $PIP_INDEX_URL $UV_DEFAULT_INDEX $PIP_TRUSTED_HOST; npm config get registry; cat $npm_config_userconfig; id -u > own.txt"
APP = {"package.json": json.dumps({"scripts": {"build": LOOK}}), "Procfile": "web: sleep 1000\n"}


@pytest.fixture
def objects():
    return FakeObjects()


async def built(builder, objects, **options):
    """Build the app, and return the lines that a pusher sees."""
    lines = []

    async def write(line):
        lines.append(line)

    app = make_app()
    source = await objects.add("sources", chunks(slug(APP)))
    build = Build(uuid4(), app.id, None, Source("git", source.digest), BuildState.BUILDING, 1, datetime.now(UTC))
    made = await compile_slug(SimpleNamespace(objects=objects, builder=builder), app, build, {}, write, **options)
    assert await objects.exists("slugs", made.digest)
    return "\n".join(lines)


async def test_a_build_has_them_and_prints_no_login(launcher, objects):
    shown = await built(launcher.builder, objects, indexes=INDEXES)
    assert "https://****@pypi.example.com/simple https://****@pypi.example.com/simple 10.1.2.3:3141" in shown
    assert "https://npm.example.com/npm/" in shown
    assert "//npm.example.com/npm/:_auth=****" in shown
    assert not any(secret in shown for secret in ("pip-secret", "npm%2Fsecret", "npm/secret"))


async def test_a_build_without_them_has_each_tools_own(launcher, objects):
    shown = await built(launcher.builder, objects)
    assert "https://" in shown
    assert "example.com" not in shown
    assert "****" not in shown
