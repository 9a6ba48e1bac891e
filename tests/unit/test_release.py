from datetime import UTC, datetime
from uuid import uuid4

import pytest

from skypanel.domain.release import Release, ReleaseState

SLUG = uuid4()


@pytest.mark.parametrize("state", ReleaseState)
def test_only_the_slug_of_a_release_that_went_live_may_be_released_again(state):
    release = Release(uuid4(), uuid4(), 3, SLUG, uuid4(), state, "Deploy", None, None, datetime.now(UTC))
    assert release.proven_slug_id == (SLUG if state is ReleaseState.SUCCEEDED else None)
