"""The removal of containers that Docker does not get rid of at once."""

import pytest
from docker.errors import APIError

from skypanel.drivers.docker import removal as container_removal

BUSY = "Could not kill running container 1f2e, cannot remove - tried to kill container, but did not receive an exit event"


class Daemon:
    """Refuses a removal so many times, in Docker's words."""

    def __init__(self, times: int, said: str = BUSY) -> None:
        self.times = times
        self.said = said
        self.removed: list[str] = []

    def remove_container(self, container, *, force, v):
        assert force
        assert v
        if self.times:
            self.times -= 1
            raise APIError("500 Server Error", explanation=self.said)
        self.removed.append(container)


def test_what_cannot_be_killed_yet_is_removed_later():
    daemon = Daemon(2)
    container_removal.remove(daemon, "one")
    assert daemon.removed == ["one"]


@pytest.mark.parametrize(("said", "patience_s"), [(BUSY, 0.0), ("no space left on device", 60.0)])
def test_what_patience_does_not_help_is_told(said, patience_s):
    with pytest.raises(APIError, match=said[:20]):
        container_removal.remove(Daemon(1000, said), "one", patience_s)
