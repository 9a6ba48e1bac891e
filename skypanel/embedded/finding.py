"""The findings of `skypanel doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A problem: its consequence and its remedy. The panel still works despite a warning."""

    name: str
    wrong: str
    remedy: str
    is_warning: bool = False
