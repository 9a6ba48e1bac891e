"""Ids by noun. To type checkers the id of an app is never that of a build; at runtime each is the database's value.

Code that parses an id from outside wraps it in its type; the layers below never use a bare UUID or int.
"""

from typing import NewType
from uuid import UUID

AccountId = NewType("AccountId", UUID)
AcmeAccountId = NewType("AcmeAccountId", UUID)
AlertId = NewType("AlertId", UUID)
AppId = NewType("AppId", UUID)
AttemptId = NewType("AttemptId", int)
AuditEntryId = NewType("AuditEntryId", int)
BuildId = NewType("BuildId", UUID)
CertificateId = NewType("CertificateId", UUID)
ConfigVersionId = NewType("ConfigVersionId", UUID)
DestinationId = NewType("DestinationId", UUID)
DomainId = NewType("DomainId", UUID)
DynoId = NewType("DynoId", UUID)
FormationId = NewType("FormationId", UUID)
KeyId = NewType("KeyId", UUID)
LogDrainId = NewType("LogDrainId", UUID)
MailId = NewType("MailId", int)
NodeId = NewType("NodeId", UUID)
OrganizationId = NewType("OrganizationId", UUID)
PasskeyId = NewType("PasskeyId", UUID)
PlanId = NewType("PlanId", UUID)
PlanVersionId = NewType("PlanVersionId", UUID)
ReleaseId = NewType("ReleaseId", UUID)
RolloutId = NewType("RolloutId", UUID)
SessionId = NewType("SessionId", UUID)
SlugId = NewType("SlugId", UUID)
TokenId = NewType("TokenId", UUID)
TransferId = NewType("TransferId", UUID)
UploadId = NewType("UploadId", UUID)
WalletEntryId = NewType("WalletEntryId", int)
WebhookDeliveryId = NewType("WebhookDeliveryId", UUID)
WebhookEventId = NewType("WebhookEventId", UUID)
WebhookId = NewType("WebhookId", UUID)

# A deploy has the id of its build, or without one that of its release.
DeployId = BuildId | ReleaseId
# Jobs that workers claim, and whose output they write.
WorkId = BuildId | RolloutId | NodeId


def as_id(text: str) -> UUID | None:
    """Return the id that a text from outside is, or None if it is anything else, such as a name."""
    try:
        return UUID(text)
    except ValueError:
        return None
