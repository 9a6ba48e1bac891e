"""What `skypanel doctor` finds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be: what it leads to, and what to do. A warning lets the panel run all the same."""

    name: str
    wrong: str
    remedy: str
    is_warning: bool = False
