"""Forms of the dashboard that were sent."""

from sqlalchemy import Column, Index, Table, Text

from skypanel.store.tables.columns import DIGEST, created_at, matches, metadata, string, time

submissions = Table(
    "paas_submissions",
    metadata,
    Column("digest", Text, primary_key=True),
    created_at(),
    time("finished_at"),
    string("location", nullable=True),
    string("message", nullable=True),
    matches("digest", DIGEST),
    comment="A form that was sent: the digest of its idempotency key, and where the answer led, so that the same form has no effect twice.",
)
Index(None, submissions.c.created_at)
