"""Names whose certificates are to be looked at, written by triggers."""

from alembic import op

revision = "0042"
down_revision = "0041"

TABLES = """
CREATE TABLE paas_certificate_looks (
    number bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    due_at timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE INDEX paas_certificate_looks_name_idx ON paas_certificate_looks (name);
CREATE INDEX paas_certificate_looks_due_at_idx ON paas_certificate_looks (due_at);
COMMENT ON COLUMN paas_certificate_looks.name IS 'Without a dot, the name of an app.';
COMMENT ON TABLE paas_certificate_looks IS
    'A name whose certificate is to be looked at: something changed, or it is due. Triggers write it.';

CREATE TABLE paas_certificate_full_looks (
    wanted text PRIMARY KEY,
    looked_at timestamptz NOT NULL
);
COMMENT ON COLUMN paas_certificate_full_looks.wanted IS 'The CA, and the panel''s own names.';
COMMENT ON TABLE paas_certificate_full_looks IS 'One row: when all names were looked at.';

CREATE INDEX paas_certificates_check_at_idx ON paas_certificates (check_at);
"""

# Plain inserts, which never wait for each other: a name that changes twice is looked at twice at most.
TRIGGERS = """
CREATE FUNCTION paas_look_at_domain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO paas_certificate_looks (name) VALUES (OLD.name);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO paas_certificate_looks (name) VALUES (NEW.name);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER paas_look AFTER INSERT OR DELETE ON paas_domains FOR EACH ROW EXECUTE FUNCTION paas_look_at_domain();
CREATE TRIGGER paas_look_again AFTER UPDATE ON paas_domains FOR EACH ROW
    WHEN ((OLD.name, OLD.app_id, OLD.verified_at, OLD.leads_here) IS DISTINCT FROM (NEW.name, NEW.app_id, NEW.verified_at, NEW.leads_here))
    EXECUTE FUNCTION paas_look_at_domain();

CREATE FUNCTION paas_look_at_app() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO paas_certificate_looks (name) VALUES (OLD.name);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO paas_certificate_looks (name) VALUES (NEW.name);
        INSERT INTO paas_certificate_looks (name) SELECT name FROM paas_domains WHERE app_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER paas_look AFTER INSERT OR DELETE ON paas_applications FOR EACH ROW EXECUTE FUNCTION paas_look_at_app();
CREATE TRIGGER paas_look_again AFTER UPDATE ON paas_applications FOR EACH ROW
    WHEN ((OLD.name, OLD.organization_id, OLD.automatic_certificates)
        IS DISTINCT FROM (NEW.name, NEW.organization_id, NEW.automatic_certificates))
    EXECUTE FUNCTION paas_look_at_app();

CREATE FUNCTION paas_look_at_certificate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO paas_certificate_looks (name) SELECT unnest(OLD.names);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO paas_certificate_looks (name) SELECT unnest(NEW.names);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER paas_look AFTER INSERT OR DELETE ON paas_certificates FOR EACH ROW EXECUTE FUNCTION paas_look_at_certificate();
CREATE TRIGGER paas_look_again AFTER UPDATE ON paas_certificates FOR EACH ROW
    WHEN ((OLD.names, OLD.app_id, OLD.directory, OLD.not_after, OLD.renew_at)
        IS DISTINCT FROM (NEW.names, NEW.app_id, NEW.directory, NEW.not_after, NEW.renew_at))
    EXECUTE FUNCTION paas_look_at_certificate();
"""


def upgrade() -> None:
    """Expand the schema."""
    op.execute(TABLES)
    op.execute(TRIGGERS)
