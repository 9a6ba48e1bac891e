"""Ids by noun: to the types the id of an app is never that of a build, at runtime each is what the database has.

Whoever reads one from outside makes it there; below that none is bare.
"""

from typing import NewType
from uuid import UUID

AccountId = NewType("AccountId", UUID)
AlertId = NewType("AlertId", UUID)
AppId = NewType("AppId", UUID)
AttemptId = NewType("AttemptId", int)
AuditEntryId = NewType("AuditEntryId", int)
BuildId = NewType("BuildId", UUID)
ConfigVersionId = NewType("ConfigVersionId", UUID)
DynoId = NewType("DynoId", UUID)
FormationId = NewType("FormationId", UUID)
KeyId = NewType("KeyId", UUID)
NodeId = NewType("NodeId", UUID)
OrganizationId = NewType("OrganizationId", UUID)
PlanId = NewType("PlanId", UUID)
PlanVersionId = NewType("PlanVersionId", UUID)
ReleaseId = NewType("ReleaseId", UUID)
RolloutId = NewType("RolloutId", UUID)
SlugId = NewType("SlugId", UUID)
TokenId = NewType("TokenId", UUID)
TransferId = NewType("TransferId", UUID)
UploadId = NewType("UploadId", UUID)
WalletEntryId = NewType("WalletEntryId", int)

# What a worker claims, and writes the output of.
WorkId = BuildId | RolloutId | NodeId
