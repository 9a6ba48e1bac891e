"""What the subjects share: one panel and its peer, started when they are first asked for."""

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from tests.bench.sshd import Sshd, running_sshd
from tests.journeys.harness import PanelUnderTest, new_panel


class Stage(ExitStack):
    """Holds what was started until its block ends."""

    @cached_property
    def panel(self) -> PanelUnderTest:
        """A running panel."""
        return self.enter_context(new_panel()).up()

    @cached_property
    def sshd(self) -> Sshd:
        """An sshd for the developer of the panel's home."""
        return self.enter_context(running_sshd(self.panel.home / "sshd", self.panel.key.with_suffix(".pub")))

    @property
    def scratch(self) -> Path:
        """A folder for whatever else is needed."""
        return self.panel.home / "user"
