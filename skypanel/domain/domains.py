"""Domains: names of their own that apps claim, and that lead to an app once its owner has proved them."""

from dataclasses import dataclass
from datetime import datetime

from skypanel.domain.ids import AppId, DomainId


@dataclass(frozen=True)
class Check:
    """What a check found in DNS. A problem is a sentence, or None.

    `leads_to` are the addresses or the name that DNS gave; `leads_here` is None if it could not be told.
    """

    proof_problem: str | None
    leads_here: bool | None
    leads_to: tuple[str, ...]
    address_problem: str | None


@dataclass(frozen=True)
class Domain:
    """A claim of an app to a name. It is verified once the name's TXT record says `token`.

    `name` is in lowercase ASCII and may begin with `*.`. `lost_at` is since when a verified name has no proof any more. `next_check_at` is
    None if it is checked on demand only.
    """

    id: DomainId
    app_id: AppId
    name: str
    token: str
    created_at: datetime
    verified_at: datetime | None
    lost_at: datetime | None
    warned_at: datetime | None
    checked_at: datetime | None
    next_check_at: datetime | None
    attempts: int
    last: Check
