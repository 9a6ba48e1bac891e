"""All tables, one module for each noun. A test compares column types, checks and indexes with the migrations.

Each foreign key says what happens to a row when the row that it refers to is deleted. CASCADE deletes it too. SET NULL keeps it. RESTRICT
refuses the deletion. NO ACTION refuses it too, unless the same statement deletes both, as the removal of an app does.
"""

from skypanel.store.tables import (
    accounts,
    alerts,
    apps,
    audit,
    billing,
    builds,
    certificates,
    config_vars,
    domains,
    log_drains,
    mails,
    metrics,
    nodes,
    organizations,
    plans,
    releases,
    settings,
    sources,
    submissions,
    two_factor,
    webhooks,
)
from skypanel.store.tables.columns import metadata

__all__ = [
    "accounts",
    "alerts",
    "apps",
    "audit",
    "billing",
    "builds",
    "certificates",
    "config_vars",
    "domains",
    "log_drains",
    "mails",
    "metadata",
    "metrics",
    "nodes",
    "organizations",
    "plans",
    "releases",
    "settings",
    "sources",
    "submissions",
    "two_factor",
    "webhooks",
]
