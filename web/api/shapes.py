"""What the API shows, as JSON Schema: one shape a serializer, under the name it has in the OpenAPI document."""

from collections.abc import Mapping

from skypanel.domain.transfer import TransferState
from web.api.schema import Schema
from web.api.serializers import ROLE_WORDS

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "integer", "minimum": 0}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER_OR_NULL: Schema = {"type": ["integer", "null"]}
NULL: Schema = {"type": "null"}
ID: Schema = {"type": "string", "format": "uuid"}
EMAIL: Schema = {"type": "string", "format": "email"}
TIME: Schema = {"type": "string", "format": "date-time"}
TIME_OR_NULL: Schema = {"type": ["string", "null"], "format": "date-time"}
URL: Schema = {"type": "string", "format": "uri"}
URL_OR_NULL: Schema = {"type": ["string", "null"], "format": "uri"}
NOTHING: Schema = {"type": "object", "maxProperties": 0}
VALUES: Schema = {"type": "object", "additionalProperties": TEXT}


def thing(**fields: Schema) -> Schema:
    """Return the shape of an object that has all of these fields and no others."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def several(items: Schema) -> Schema:
    """Return the shape of a list."""
    return {"type": "array", "items": items}


def or_null(shape: Schema) -> Schema:
    """Return the shape of what may be missing."""
    return {"anyOf": [shape, NULL]}


def ref(name: str) -> Schema:
    """Return a reference to one of the shapes of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


NAMED = thing(id=ID, name=TEXT)
SOMEBODY = thing(id=ID, email=EMAIL)
OF_ID = thing(id=ID)
PERMISSION = thing(name=TEXT, description=TEXT)
ROLE: Schema = {"enum": list(ROLE_WORDS.values())}

# An account as an administrator sees it.
ACCOUNT_ENTRY = {
    "id": ID,
    "email": TEXT,
    "administrator": FLAG,
    "created_at": TIME,
    "has_password": FLAG,
    "keys": NUMBER,
    "authorizations": NUMBER,
}

SHAPES: Mapping[str, Schema] = {
    "Error": thing(id=TEXT, message=TEXT),
    "Account": thing(
        id=ID,
        email=EMAIL,
        name=TEXT_OR_NULL,
        country_of_residence=NULL,
        delinquent_at=NULL,
        identity_provider=NULL,
        last_login=NULL,
        sms_number=NULL,
        suspended_at=NULL,
        allow_tracking=FLAG,
        beta=FLAG,
        default_organization=NULL,
        default_team=NULL,
        federated=FLAG,
        two_factor_authentication=FLAG,
        verified=FLAG,
    ),
    "AccountEntry": thing(**ACCOUNT_ENTRY),
    "Admission": thing(**ACCOUNT_ENTRY, sign_in_url=URL),
    "App": thing(
        id=ID,
        name=TEXT,
        acm=FLAG,
        archived_at=NULL,
        buildpack_provided_description=TEXT_OR_NULL,
        build_stack=NAMED,
        create_status=TEXT,
        created_at=TIME,
        generation=NAMED,
        git_url=URL,
        internal_routing=NULL,
        joined=FLAG,
        locked=FLAG,
        maintenance=FLAG,
        owner=SOMEBODY,
        process_tier=TEXT,
        region=NAMED,
        organization=or_null(NAMED),
        team=or_null(NAMED),
        space=NULL,
        released_at=TIME_OR_NULL,
        repo_size=NUMBER,
        slug_size=NUMBER,
        stack=NAMED,
        updated_at=TIME,
        web_url=URL,
    ),
    "Authorization": thing(
        id=ID,
        access_token=thing(id=ID, expires_in=NUMBER_OR_NULL, token=TEXT),
        client=NULL,
        created_at=TIME,
        description=TEXT,
        grant=NULL,
        refresh_token=NULL,
        scope=several(TEXT),
        session=NULL,
        updated_at=TIME,
        user=thing(id=ID, email=EMAIL, full_name=TEXT_OR_NULL),
    ),
    "Build": thing(
        id=ID,
        app=NAMED,
        buildpacks=NULL,
        created_at=TIME,
        generation=TEXT,
        output_stream_url=URL,
        release=or_null(OF_ID),
        slug=or_null(OF_ID),
        source_blob=thing(
            checksum=TEXT_OR_NULL,
            kind={"enum": ["git", "archive"]},
            url=TEXT,
            version=TEXT_OR_NULL,
            version_description=TEXT_OR_NULL,
        ),
        stack=TEXT,
        status={"enum": ["pending", "succeeded", "failed"]},
        updated_at=TIME,
        user=SOMEBODY,
    ),
    "BuildpackInstallation": thing(ordinal=NUMBER, buildpack=thing(name=TEXT, url=TEXT)),
    "Collaborator": thing(
        id=ID,
        app=NAMED,
        created_at=TIME,
        permissions=several(PERMISSION),
        role=ROLE,
        updated_at=TIME,
        user=thing(id=ID, email=EMAIL, federated=FLAG),
    ),
    "ConfigVars": VALUES,
    "Domain": thing(
        id=ID,
        acm_status=TEXT_OR_NULL,
        acm_status_reason=TEXT_OR_NULL,
        app=NAMED,
        cname=TEXT_OR_NULL,
        created_at=TIME,
        hostname=TEXT,
        kind={"enum": ["heroku", "custom"]},
        sni_endpoint=NULL,
        status=TEXT,
        updated_at=TIME,
    ),
    "Dyno": thing(
        id=ID,
        app=NAMED,
        attach_url=TEXT_OR_NULL,
        command=TEXT,
        created_at=TIME,
        name=TEXT,
        release=thing(id=ID, version=NUMBER),
        size=TEXT,
        state=TEXT,
        type=TEXT,
        updated_at=TIME,
    ),
    "Formation": thing(
        id=ID, app=NAMED, command=TEXT, created_at=TIME, dyno_size=NAMED, quantity=NUMBER, size=TEXT, type=TEXT, updated_at=TIME
    ),
    "Key": thing(id=ID, comment=TEXT, created_at=TIME, email=TEXT, fingerprint=TEXT, public_key=TEXT, updated_at=TIME),
    "LogSession": thing(id=ID, created_at=TIME, logplex_url=URL, updated_at=TIME),
    "Member": thing(
        id=ID,
        created_at=TIME,
        email=TEXT,
        federated=FLAG,
        identity_provider=NULL,
        role=ROLE,
        two_factor_authentication=FLAG,
        updated_at=TIME,
        user=thing(id=ID, email=EMAIL, name=TEXT_OR_NULL),
    ),
    "Permission": PERMISSION,
    "Region": thing(id=ID, name=TEXT, description=TEXT, country=TEXT, locale=TEXT, private_capable=FLAG),
    "Release": thing(
        id=ID,
        addon_plan_names=several(TEXT),
        app=NAMED,
        artifacts=several(NOTHING),
        created_at=TIME,
        current=FLAG,
        description=TEXT,
        eligible_for_rollback=FLAG,
        output_stream_url=URL_OR_NULL,
        slug=or_null(OF_ID),
        status={"enum": ["pending", "succeeded", "failed", "expired"]},
        updated_at=TIME,
        user=SOMEBODY,
        version=NUMBER,
    ),
    "Received": thing(checksum=TEXT),
    "Session": thing(id=ID, description=TEXT, expires_in=NUMBER),
    "Source": thing(source_blob=thing(get_url=URL, put_url=URL)),
    "Stack": thing(id=ID, name=TEXT, default=FLAG, state=TEXT),
    "Transfer": thing(
        id=ID,
        app=NAMED,
        created_at=TIME,
        owner=SOMEBODY,
        recipient=SOMEBODY,
        state={"enum": list(TransferState)},
        updated_at=TIME,
    ),
    "Team": thing(
        id=ID,
        name=TEXT,
        credit_card_collections=FLAG,
        default=FLAG,
        identity_provider=NULL,
        enterprise_account=NULL,
        membership_limit=NUMBER_OR_NULL,
        provisioned_licenses=FLAG,
        role={"enum": [*ROLE_WORDS.values(), None]},
        type={"enum": ["team"]},
    ),
}
