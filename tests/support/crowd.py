"""Fills a database with a thousand apps and ten thousand releases."""

from sqlalchemy import text

MANY_APPS = """
    INSERT INTO paas_applications (name, organization_id, plan_version_id)
    SELECT 'app-' || to_char(n, 'FM0000'), a.organization_id, a.plan_version_id
    FROM generate_series(1, 999) n, paas_applications a WHERE a.name = '{name}'
"""
THEIR_CONFIG = "INSERT INTO paas_config_versions (app_id, number) SELECT id, 1 FROM paas_applications WHERE name <> '{name}'"
MANY_RELEASES = """
    INSERT INTO paas_releases (app_id, version, slug_id, config_version_id, account_id, state, description)
    SELECT a.id, v, r.slug_id, c.id, r.account_id, 'succeeded', 'Deploy ' || v
    FROM paas_applications a
    JOIN paas_config_versions c ON c.app_id = a.id AND c.number = 1
    JOIN paas_releases r ON r.version = 1 AND r.app_id = (SELECT id FROM paas_applications WHERE name = '{name}')
    CROSS JOIN LATERAL generate_series(CASE a.name WHEN '{name}' THEN 2 ELSE 1 END, CASE a.name WHEN '{name}' THEN 1009 ELSE 9 END) v
"""
CURRENT = """
    UPDATE paas_applications a SET current_release_id = r.id FROM paas_releases r
    WHERE r.app_id = a.id AND r.version = 5 AND a.name <> '{name}'
"""


async def crowd(conn, name):
    """Add 999 apps and many releases to the only app with its only release. Return the total number of both."""
    for statement in (MANY_APPS, THEIR_CONFIG, MANY_RELEASES, CURRENT):
        await conn.execute(text(statement.format(name=name)))
    [count] = await conn.all(text("SELECT (SELECT count(*) FROM paas_applications), (SELECT count(*) FROM paas_releases)"))
    return tuple(count)


# A row for each app and each of the last hours of this month. On any day, pages have a whole month's usage to show.
# Without the hours that are now and soon, which the panel settles itself.
USAGE = """
    INSERT INTO paas_resource_usage (organization_id, hour, app_id, app_name, dyno_seconds, cost)
    SELECT organization_id, h.hour, id, name, 3600, 0.02 FROM paas_applications
    CROSS JOIN LATERAL (SELECT date_trunc('hour', now()) AS hour) present
    CROSS JOIN generate_series(1, {hours} + 3) back
    CROSS JOIN LATERAL (SELECT date_trunc('month', now()) + interval '1 month' - back * interval '1 hour' AS hour) h
    WHERE h.hour NOT BETWEEN present.hour AND present.hour + interval '2 hours'
"""
# What each app uses since the hour began: a dyno, which only these records know of.
SPANS = """
    INSERT INTO paas_usage_spans (organization_id, app_id, app_name, process_type, plan_version_id, hourly_price, quantity, since)
    SELECT organization_id, id, name, 'web', plan_version_id, 0.02, 1, date_trunc('hour', now()) FROM paas_applications a
    WHERE NOT EXISTS (SELECT FROM paas_usage_spans s WHERE s.app_id = a.id AND s.until IS NULL)
"""
# The charges of these hours to the wallets of their organizations.
CHARGES = """
    INSERT INTO paas_wallet_entries (organization_id, kind, amount, balance, hour)
    SELECT organization_id, 'charge', -20, -20, hour FROM paas_resource_usage u GROUP BY organization_id, hour
    ON CONFLICT DO NOTHING
"""
# Things done to each app, and other organizations, each with an owner.
DEEDS = """
    INSERT INTO paas_audit_log (action, account_id, email, organization_id, app_id, app_name, details)
    SELECT 'config.change', c.id, c.email, a.organization_id, a.id, a.name, '{{"keys": ["SECRET"]}}'
    FROM paas_applications a CROSS JOIN generate_series(1, 10) CROSS JOIN (SELECT id, email FROM paas_accounts WHERE is_admin LIMIT 1) c
"""
OTHERS = (
    "INSERT INTO paas_accounts (email) SELECT 'person-' || n || '@example.com' FROM generate_series(1, 1000) n",
    "INSERT INTO paas_organizations (name, billed) SELECT 'Team ' || n, false FROM generate_series(1, 1000) n",
    """
    INSERT INTO paas_memberships (organization_id, account_id, role) SELECT o.id, c.id, 4 FROM paas_organizations o
    JOIN paas_accounts c ON c.email = 'person-' || substring(o.name FROM 6) || '@example.com'
    """,
    """
    INSERT INTO paas_memberships (organization_id, account_id, role) SELECT o.id, c.id, 2 FROM paas_organizations o
    JOIN paas_accounts c ON c.email LIKE 'person-__@example.com' WHERE o.name NOT LIKE 'Team %'
    """,
    """
    INSERT INTO paas_collaborators (app_id, account_id, role) SELECT a.id, c.id, 1 FROM paas_applications a
    JOIN paas_accounts c ON c.email LIKE 'person-1__@example.com'
    """,
)


async def years(conn, hours):
    """Add what a crowd leaves behind: each app's usage of so many hours at least, its charges, deeds, other organizations."""
    for statement in (USAGE, SPANS, CHARGES, DEEDS, *OTHERS, "ANALYZE"):
        await conn.execute(text(statement.format(hours=hours)))


# What four dynos of each app used in the last days.
USED = """
    INSERT INTO paas_metrics (app_id, step_s, begins, dyno, cpu, memory, disk, received, sent, restarts)
    SELECT id, 900, to_timestamp(day * 86400), 'web.' || dyno, filled, filled, filled, filled, filled, filled
    FROM paas_applications CROSS JOIN generate_series(1, 4) dyno
    CROSS JOIN generate_series({last} - 2, {last}) day CROSS JOIN (SELECT array_agg(random()) AS filled FROM generate_series(1, 96)) f
"""


async def used(conn, now):
    """Add the values of some dynos of each app, until now and for the rest of the day."""
    await conn.execute(text(USED.format(last=int(now.timestamp()) // 86400)))


# Copies of the existing app, each with the releases, slugs, builds and rollouts of nine pushes.
RESTING = (
    """
    INSERT INTO paas_applications (name, organization_id, plan_version_id)
    SELECT 'rest-' || to_char(n, 'FM00000'), a.organization_id, a.plan_version_id
    FROM generate_series({first}, {last}) n, paas_applications a WHERE a.name = '{name}'
    """,
    "INSERT INTO paas_config_versions (app_id, number) SELECT id, 1 FROM {new} a",
    """
    INSERT INTO paas_config_vars (config_version_id, key, secret)
    SELECT c.id, 'SECRET_' || n, v.secret FROM {new} a JOIN paas_config_versions c ON c.app_id = a.id
    CROSS JOIN generate_series(1, 3) n
    CROSS JOIN (SELECT secret FROM paas_config_vars WHERE key = 'SECRET' ORDER BY id DESC LIMIT 1) v
    """,
    "INSERT INTO paas_formations (app_id, process_type, quantity) SELECT id, 'web', 0 FROM {new} a",
    "INSERT INTO paas_routes (app_id, hosts, endpoints) SELECT id, ARRAY[name || '.localhost'], '{{}}' FROM {new} a",
    """
    INSERT INTO paas_slugs (app_id, digest, size_bytes, process_types, buildpacks, stack)
    SELECT a.id, encode(sha256((a.name || v)::bytea), 'hex'), 1000, '{{"web": "python app.py"}}', '{{python}}', 'skypanel-1'
    FROM {new} a CROSS JOIN generate_series(1, 9) v
    """,
    """
    INSERT INTO paas_builds (app_id, slug_id, source_kind, source_digest, state, finished_at)
    SELECT app_id, id, 'git', digest, 'succeeded', now() FROM paas_slugs WHERE app_id IN (SELECT id FROM {new} a)
    """,
    """
    INSERT INTO paas_releases (app_id, version, slug_id, config_version_id, build_id, state, description)
    SELECT b.app_id, row_number() OVER (PARTITION BY b.app_id), b.slug_id, c.id, b.id, 'succeeded', 'Deploy'
    FROM paas_builds b JOIN paas_config_versions c ON c.app_id = b.app_id WHERE b.app_id IN (SELECT id FROM {new} a)
    """,
    """
    INSERT INTO paas_rollouts (app_id, release_id, reason, state, finished_at)
    SELECT app_id, id, 'release', 'succeeded', now() FROM paas_releases WHERE app_id IN (SELECT id FROM {new} a) ORDER BY version
    """,
    """
    UPDATE paas_applications a SET current_release_id = r.id FROM paas_releases r
    WHERE r.app_id = a.id AND r.version = 9 AND a.id IN (SELECT id FROM {new} a)
    """,
    "ANALYZE",
)
NEW = """
    (SELECT id, name FROM paas_applications
    WHERE name BETWEEN 'rest-' || to_char({first}, 'FM00000') AND 'rest-' || to_char({last}, 'FM00000'))
"""


async def rest(conn, name, first, last):
    """Add copies of the app `name`, numbered from `first` to `last`, without running dynos. It needs a config var SECRET."""
    numbers = {"name": name, "first": first, "last": last}
    for statement in RESTING:
        await conn.execute(text(statement.format(**numbers, new=NEW.format(**numbers))))


# What these apps used on each day of this month, as if all of it had been in one hour.
MONTH = """
    INSERT INTO paas_resource_usage (organization_id, hour, app_id, app_name, dyno_seconds, cost)
    SELECT organization_id, day AT TIME ZONE 'UTC', id, name, 86400, 0.48 FROM paas_applications
    CROSS JOIN LATERAL (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AS first) month
    CROSS JOIN generate_series(first, first + interval '1 month' - interval '1 day', '1 day') day
    WHERE name BETWEEN 'rest-' || to_char({first}, 'FM00000') AND 'rest-' || to_char({last}, 'FM00000')
"""


async def month(conn, first, last):
    """Add a month's usage to the apps at rest numbered from `first` to `last`."""
    for statement in (MONTH, "ANALYZE"):
        await conn.execute(text(statement.format(first=first, last=last)))
