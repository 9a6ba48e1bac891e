"""Ids by noun: to the types the id of an app is never that of a build, at runtime each is what the database has.

Whoever reads one from outside makes it there; below that none is bare.
"""

from typing import NewType
from uuid import UUID

AccountId = NewType("AccountId", UUID)
AppId = NewType("AppId", UUID)
BuildId = NewType("BuildId", UUID)
ConfigVersionId = NewType("ConfigVersionId", UUID)
KeyId = NewType("KeyId", UUID)
OrganizationId = NewType("OrganizationId", UUID)
ReleaseId = NewType("ReleaseId", UUID)
RolloutId = NewType("RolloutId", UUID)
SlugId = NewType("SlugId", UUID)
TokenId = NewType("TokenId", UUID)
