"""What the settings in the database may be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypanel.domain.errors import Invalid, NotFound, SkyPanelError
from skypanel.domain.setting import text_of
from skypanel.domain.settings import DEFAULTS, SETTINGS, bucket_of, read, storage_of
from skypanel.domain.storage import Storage, StorageKind

BUCKET = {"s3_endpoint": "https://s3.example.com", "s3_bucket": "slugs", "s3_access_key": "AKIA", "s3_secret_key": "a/b+c"}
GOOD = {
    "default_plan": ["basic", "a_plan-2"],
    "kept_releases": ["all", "1", "100000"],
    "builds_per_organization": ["1", "1000"],
    "push_creates_apps": ["true", "false"],
    "panel_address": ["", "10.1.2.3", "panel.example.com", "fd00::1"],
    "pip_index_url": ["", "https://me:secret@pypi.example.com/simple"],
    "pip_extra_index_urls": ["", "https://a/simple http://b:8080/simple"],
    "npm_registry": ["", "https://token@npm.example.com"],
    "billing": ["true", "false"],
    "currency": ["USD", "EUR", "$", "Kč"],
    "wallet_low_hours": ["0", "72", "9999"],
    "starting_credit": ["0.00", "2.50", "0.000001"],
    "public_addresses": ["", "203.0.113.5", "203.0.113.5,2001:db8::5,198.51.100.0/24"],
    "dns_resolvers": ["", "10.1.0.1", "10.1.0.1:5353,2001:db8::1,[2001:db8::1]:5353"],
    "git_networks": ["", "10.1.0.0/16,192.168.7.2/32"],
    "webhook_networks": ["", "10.1.0.0/16,192.168.7.2/32"],
    "loki_url": ["", "http://loki:3100", "https://logs.example.com/a/path", "http://[2001:db8::1]:3100"],
    "log_masked_parameters": ["", "token,password"],
    "log_retention_days": ["1", "90"],
    "log_retention_of_plans": ["", "Pro=30", "Pro=30,Business=90"],
    "loki_tenant": ["", "apps", "Apps_2.all-of-them"],
    "loki_user": ["", "12345"],
    "loki_password": ["", "glc_s3cret=="],
    "metrics_token": ["", "0123456789abcdef", "x" * 256],
    "first_byte_timeout_s": ["1", "600", "86400"],
    "idle_timeout_s": ["1", "600", "86400"],
    "hsts_max_age_s": ["0", "31536000"],
    "runtime_mirror": ["https://mirror.example.com/runtimes/", "http://127.0.0.1:8000", "/srv/runtimes/", "/srv/a%20b"],
    "smtp_host": ["", "smtp.example.com", "127.0.0.1", "::1"],
    "smtp_port": ["1", "587", "65535"],
    "smtp_security": ["starttls", "tls", "none"],
    "smtp_user": ["", "me@example.com"],
    "smtp_password": ["", "two words"],
    "mail_sender": ["", "skypanel@example.com"],
    "acme_directory": ["", "https://acme-v02.api.letsencrypt.org/directory", "https://ca.example.com:14000/dir"],
    "acme_email": ["", "ada@example.com"],
    "acme_eab_kid": ["", "kid-1"],
    "acme_eab_key": ["", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV"],
    "acme_ca_bundle": ["", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"],
    "certificates_per_organization": ["1", "10000"],
    "dns_updates": ["none", "rfc2136"],
    "rfc2136_server": ["", "10.1.0.1", "[2001:db8::1]:5353"],
    "rfc2136_zone": ["", "example.com"],
    "rfc2136_key_name": ["", "skypanel-key.example.com"],
    "rfc2136_key_secret": ["", "c2VjcmV0"],
    "rfc2136_key_algorithm": ["hmac-sha256", "hmac-sha512"],
    "storage": ["files", "s3"],
    "s3_endpoint": ["https://s3.example.com", "http://127.0.0.1:9000/", "https://s3:443"],
    "s3_region": ["us-east-1", "auto"],
    "s3_bucket": ["abc", "a" * 63, "with-dash.and.dot"],
    "s3_prefix": ["panel", "panels/one"],
    "s3_access_key": ["AKIA"],
    "s3_secret_key": ["a/b+c="],
}
BAD = {
    "default_plan": ["", "a plan", "x" * 65],
    "kept_releases": ["0", "-1", "1.5", "ALL", "", "100001", "٣"],
    "builds_per_organization": ["0", "-1", "", "1001", "two", "1.5", "٣"],
    "push_creates_apps": ["yes", "1", "", "True"],
    "first_byte_timeout_s": ["", "0", "-1", "1.5", "86401", "1h", "٣"],
    "idle_timeout_s": ["", "0", "-1", "1.5", "86401", "1h", "٣"],
    "hsts_max_age_s": ["", "-1", "1.5", "1y", "63072001", "٣"],
    "panel_address": ["10.1.2.3:8443", "https://panel.example.com", "-a", "a b", "fe80::1%eth0", "x" * 254],
    "acme_directory": ["ca.example.com", "http://ca.example.com/dir", "https://a b", "https://ca.example.com/" + "x" * 500],
    "acme_email": ["ada"],
    "acme_eab_kid": ["two words", "x" * 201],
    "acme_eab_key": ["short", "not/base64/url/at/all"],
    "acme_ca_bundle": ["MIIB", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\nand more", "-----BEGIN CERTIFICATE-----"],
    "certificates_per_organization": ["0", "-1", "", "10001", "many", "1.5", "٣"],
    "pip_index_url": ["pypi.example.com", "https://x?y", "file:///x"],
    "pip_extra_index_urls": ["https://a/simple b"],
    "npm_registry": ["https://a b", "ssh://x"],
    "billing": ["on", "1", ""],
    "currency": ["", "dollars", "1", "$1"],
    "wallet_low_hours": ["-1", "1.5", "", "10000"],
    "starting_credit": ["-1", "1e3", "", "ten", "NaN"],
    "public_addresses": ["panel.example.com", "203.0.113.256"],
    "dns_resolvers": [
        "resolver.example.com",
        "10.1.0.1:0",
        "10.1.0.1:65536",
        "10.1.0.1:x",
        "10.1.0.1:",
        ",".join(["10.1.0.1"] * 9),
        "[::1%lo]",
    ],
    "git_networks": ["10.1.0.0/33", "git.example.com"],
    "webhook_networks": ["10.1.0.0/33", "hooks.example.com"],
    "loki_url": [
        "loki:3100",
        "ftp://loki",
        "http://",
        "http://me:s3cret@loki",
        "http://loki?x",
        "http://loki#x",
        "http://loki:0",
        "http://[x",
    ],
    "log_masked_parameters": ["a b", "access_token"],
    "log_retention_days": ["0", "91", "a week"],
    "log_retention_of_plans": ["Pro", "Pro=0", "Pro=30,Pro=7"],
    "loki_tenant": ["a b", "a/b", "x" * 101],
    "loki_user": ["two words"],
    "loki_password": ["two words", "x" * 3000],
    "metrics_token": ["short", "two words in a token", "x" * 257],
    "runtime_mirror": [
        "mirror.example.com",
        "ftp://x",
        "https://",
        "https://u:p@x",
        "https://x?y",
        "https://x/#y",
        "http://x:0",
        "http://x:y",
        "https://x/a b",
        "srv/runtimes",
        "/srv/run times",
        "/" + "x" * 501,
    ],
    "smtp_host": ["smtp example", "http://x", "x/y", "x" * 254, ":::"],
    "smtp_port": ["0", "65536", "", "smtp", "٣"],
    "smtp_security": ["", "ssl", "TLS"],
    "smtp_user": ["a\nb", "x" * 257],
    "smtp_password": ["a\x00b", "x" * 257],
    "mail_sender": ["skypanel", "a,b@example.com", "SkyPanel <a@b>"],
    "dns_updates": ["", "RFC2136"],
    "rfc2136_server": ["10.1.0.1,10.1.0.2", "ns.example.com", "10.1.0.1:0"],
    "rfc2136_zone": ["exa mple", "a/b"],
    "rfc2136_key_name": ['key"; };', "a b"],
    "rfc2136_key_secret": ["not base64!", "c2VjcmV", "é", "A" * 504],
    "rfc2136_key_algorithm": ["", "hmac-md5"],
    "storage": ["", "S3", "disk"],
    "s3_endpoint": [
        "",
        "s3.example.com",
        "ftp://x",
        "https://",
        "https://x/path",
        "https://u:p@x",
        "https://x?y",
        "http://x:0",
        "http://x:y",
    ],
    "s3_region": ["", "us east"],
    "s3_bucket": ["", "ab", "Upper", "-abc", "abc-", "a/b", "a" * 64],
    "s3_prefix": ["", "/a", "a/", "a//b", "../a", "a b"],
    "s3_access_key": ["", "a b", "a\nb", "x" * 257],
    "s3_secret_key": ["", "ä"],
}


def cases(table):
    return [(key, text) for key, texts in table.items() for text in texts]


def test_each_setting_has_examples():
    assert GOOD.keys() == BAD.keys() == SETTINGS.keys()


@pytest.mark.req("R8.3")
@pytest.mark.parametrize(("key", "text"), cases(GOOD))
def test_what_fits_is_taken_and_shown_as_it_is_typed(key, text):
    assert text_of(read({key: text})[key]) == text.removesuffix("/")


@pytest.mark.req("R8.3")
@pytest.mark.parametrize(("key", "text"), cases(BAD))
def test_what_does_not_fit_is_refused_by_name(key, text):
    with pytest.raises(Invalid, match=f"^{key}: "):
        read({key: text})


def test_a_setting_that_there_is_not():
    with pytest.raises(NotFound, match="settings list"):
        read({"s3_bukket": "x"})


@given(st.sampled_from(list(SETTINGS)), st.text())
def test_whatever_is_typed_is_taken_or_refused(key, text):
    try:
        value = read({key: text})[key]
    except SkyPanelError:
        return
    assert json.loads(json.dumps(value)) == value


def test_a_secret_that_is_refused_is_in_no_message():
    with pytest.raises(Invalid) as caught:
        read({"s3_secret_key": "my secret words"})
    assert "my secret" not in str(caught.value)


def test_the_defaults_choose_files_and_every_one_that_is_set_is_allowed():
    assert storage_of(DEFAULTS) == Storage()
    for key, value in DEFAULTS.items():
        assert value == "" or read({key: text_of(value)}) == {key: value}


def test_a_bucket_needs_all_of_its_settings():
    with pytest.raises(Invalid, match="s3_endpoint, s3_bucket, s3_access_key, s3_secret_key are not set"):
        bucket_of(DEFAULTS)
    with pytest.raises(Invalid, match="s3_bucket is not set"):
        storage_of({**DEFAULTS, **BUCKET, "storage": "s3", "s3_bucket": ""})
    storage = storage_of({**DEFAULTS, **BUCKET, "storage": "s3"})
    assert storage == Storage(StorageKind.S3, "https://s3.example.com", "us-east-1", "slugs", "skypanel", "AKIA", "a/b+c")
    assert Storage.from_json(storage.to_json()) == storage
    assert storage.place == "https://s3.example.com/slugs/skypanel"


def test_other_keys_lead_to_the_same_place_and_another_prefix_does_not():
    first = bucket_of({**DEFAULTS, **BUCKET})
    assert first.is_same_place(bucket_of({**DEFAULTS, **BUCKET, "s3_access_key": "another"}))
    assert not first.is_same_place(bucket_of({**DEFAULTS, **BUCKET, "s3_prefix": "another"}))
    assert not first.is_same_place(Storage())
