"""What an administrator can change while the panel runs: each setting and its allowed values."""

import re
from collections.abc import Callable, Mapping

from skypanel.domain import certificate, dns_updates, http_rules, masking, urls
from skypanel.domain.billing import read_amount, read_currency, read_hours, typed
from skypanel.domain.dns import joined, read_resolvers
from skypanel.domain.errors import Invalid, NotFound
from skypanel.domain.http_rules import DEFAULT_TIMEOUT_S, read_max_age, read_timeout
from skypanel.domain.indexes import Indexes, read_url, read_urls
from skypanel.domain.internet import read_networks
from skypanel.domain.log_retention import DEFAULT_DAYS, MAX_DAYS, read_days, read_plans
from skypanel.domain.mail import Security, read_host, read_login, read_port, read_sender
from skypanel.domain.names import is_host, printable
from skypanel.domain.plan import DEFAULT_PLAN
from skypanel.domain.runtime import read_mirror
from skypanel.domain.setting import Setting
from skypanel.domain.storage import Storage, StorageKind

Value = str | int | bool

ALL = "all"
MAX_KEPT_RELEASES = 100_000
MAX_BUILDS = 1000
MAX_SECRET_LENGTH = 256
MIN_TOKEN_LENGTH = 16

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*")
_SECRET = re.compile(r"[!-~]+")
_TENANT = re.compile(r"[A-Za-z0-9_.-]+")


def _choice(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            raise Invalid(f"{printable(text)} is not one of {', '.join(allowed)}.")
        return text

    return read


def _flag(text: str) -> bool:
    return _choice("true", "false")(text) == "true"


def _matching(pattern: re.Pattern[str], allowed: str, longest: int = 100) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text) or len(text) > longest:
            raise Invalid(f"{printable(text)} is not valid.", allowed)
        return text

    return read


def _secret(text: str) -> str:
    if not _SECRET.fullmatch(text) or len(text) > MAX_SECRET_LENGTH:
        raise Invalid("The key is not valid.", f"A key has up to {MAX_SECRET_LENGTH} letters, digits and signs, and no spaces.")
    return text


def _token(text: str) -> str:
    if not _SECRET.fullmatch(text) or not MIN_TOKEN_LENGTH <= len(text) <= MAX_SECRET_LENGTH:
        raise Invalid(
            "The token is not valid.", f"Use {MIN_TOKEN_LENGTH} to {MAX_SECRET_LENGTH} letters, digits and signs, without spaces."
        )
    return text


def _optional(read: Callable[[str], str]) -> Callable[[str], str]:
    """Return a reader for which an empty text clears the value."""
    return lambda text: read(text) if text else text


def _loki_url(text: str) -> str:
    allowed = "Write the URL of a Loki: http://loki.example.com:3100, or https://logs.example.com/loki-behind-a-proxy"
    url, port = urls.split(text, Invalid("This is not a URL.", allowed))
    if url.scheme not in {"http", "https"} or not _SECRET.fullmatch(text) or not url.hostname or port == 0 or url.query or url.fragment:
        raise Invalid("This is not a URL.", allowed)
    if "@" in url.netloc:
        raise Invalid("The URL has a login.", "Set it as loki_user and loki_password instead.")
    return text


def _endpoint(text: str) -> str:
    allowed = "Write the URL of an S3 endpoint, without a path: https://s3.example.com or http://10.1.2.3:9000"
    url, port = urls.split(text, Invalid(f"{printable(text)} is not a URL.", allowed))
    is_bare = url.path in {"", "/"} and not (url.query or url.fragment or "@" in url.netloc)
    if url.scheme not in {"http", "https"} or not re.fullmatch(r"[A-Za-z0-9.-]+", url.hostname or "") or not is_bare or port == 0:
        raise Invalid(f"{printable(text)} is not the URL of an S3 endpoint.", allowed)
    return text.removesuffix("/")


def _index(text: str) -> str:
    return read_url(text) if text else text


def _kept(text: str) -> str | int:
    if text == ALL:
        return text
    if not re.fullmatch(r"[0-9]{1,6}", text) or not 1 <= int(text) <= MAX_KEPT_RELEASES:
        raise Invalid(f"{printable(text)} is not a number of releases.", f"Write {ALL}, or a number from 1 to {MAX_KEPT_RELEASES}.")
    return int(text)


def _builds(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_BUILDS:
        raise Invalid(f"{printable(text)} is not a number of builds.", f"Write a number from 1 to {MAX_BUILDS}.")
    return int(text)


def _host(text: str) -> str:
    if text and not is_host(text):
        raise Invalid(f"{printable(text)} is no address of a machine.", "Write an IP address or a hostname, without a port: 10.1.2.3")
    return text


def _networks(text: str) -> str:
    return ",".join(map(str, read_networks(text)))


def _addresses(text: str) -> str:
    return ",".join(str(each.network_address) if each.num_addresses == 1 else str(each) for each in read_networks(text))


def _resolvers(text: str) -> str:
    return joined(read_resolvers(text))


def _credit(text: str) -> str:
    amount = read_amount(text)
    if amount < 0:
        raise Invalid(f"{printable(text)} is negative.", "Write 0 or more.")
    return typed(amount)


_WORD = "Use up to 64 letters, digits, dashes and underscores."
SETTINGS: Mapping[str, Setting[Value]] = {
    setting.key: setting
    for setting in (
        Setting("default_plan", DEFAULT_PLAN, _matching(_NAME, _WORD), "The plan of new apps."),
        Setting[Value](
            "kept_releases", ALL, _kept, "How many releases of each app keep their slugs, beside those in use: all, or a number."
        ),
        Setting("push_creates_apps", True, _flag, "Whether the first push to a free name makes an app: true or false."),  # noqa: FBT003
        Setting("builds_per_organization", 2, _builds, "How many builds of one organization run at once; a worker has room for three."),
        Setting(
            "panel_address",
            "",
            _host,
            "Where new nodes reach the panel, an IP address or hostname, if not at the address of the Swarm's manager.",
        ),
        Setting(
            "public_addresses",
            "",
            _addresses,
            "Where visitors reach the panel's proxies: addresses or networks, separated by commas, such as 203.0.113.5,2001:db8::5. "
            "Domains of apps have to lead there. By default, it is where the dashboard's hostname leads.",
        ),
        Setting(
            "dns_resolvers",
            "",
            _resolvers,
            "The resolvers that find the name servers of domains: addresses, separated by commas, such as 10.1.0.1,[2001:db8::1]:5353. "
            "By default, they are those of the machine.",
        ),
        Setting(
            "git_networks",
            "",
            _networks,
            "Private networks that git URLs of apps may point to: networks or addresses, separated by commas, "
            "such as 10.1.0.0/16,192.168.7.2; an empty value clears the list.",
        ),
        Setting(
            "webhook_networks",
            "",
            _networks,
            "Private networks of webhooks, log drains, alerts and error pages of apps, written like `git_networks`; "
            "an empty value clears the list.",
        ),
        Setting(
            "loki_url",
            "",
            _optional(_loki_url),
            "The Loki that stores the lines of apps beside the panel's files, such as http://loki.example.com:3100; "
            "an empty value clears it.",
        ),
        Setting(
            "loki_tenant",
            "",
            _optional(_matching(_TENANT, "Use letters, digits, dashes, underscores and dots.")),
            "The tenant of all apps in Loki. By default, each organization is a tenant of its own, named by its id.",
        ),
        Setting("loki_user", "", _optional(_secret), "The user of a Loki that asks for a login."),
        Setting("loki_password", "", _optional(_secret), "The password of that user.", is_sensitive=True),
        Setting(
            "log_masked_parameters",
            masking.DEFAULT_NAMES,
            masking.read_names,
            "Words of the parameters in URLs whose values no line of the router has, separated by commas; token is also for access_token.",
        ),
        Setting[Value](
            "log_retention_days",
            DEFAULT_DAYS,
            read_days,
            f"For how many days the lines of apps are kept: 1 to {MAX_DAYS}. A busy dyno keeps less, by the size of its files.",
        ),
        Setting(
            "log_retention_of_plans",
            "",
            read_plans,
            "The days of apps on some plans instead, such as Pro=30,Business=90; an empty value clears the list.",
        ),
        Setting(
            "metrics_token",
            "",
            _optional(_token),
            "The token with which a monitoring system such as Prometheus reads `/metrics` of the dashboard; without one, nobody can. "
            "16 to 256 letters, digits and signs.",
            is_sensitive=True,
        ),
        Setting(
            "pip_index_url",
            "",
            _index,
            "The package index of Python builds, for pip and uv: https://pypi.example.com/simple, "
            "or with a login https://user:password@...",
            is_sensitive=True,
        ),
        Setting("pip_extra_index_urls", "", read_urls, "Extra package indexes for Python builds, separated by spaces.", is_sensitive=True),
        Setting(
            "npm_registry",
            "",
            _index,
            "The registry of Node.js builds, for npm, Yarn and pnpm; a login is a user and a password, or a token alone: "
            "https://token@npm.example.com.",
            is_sensitive=True,
        ),
        Setting(
            "runtime_mirror",
            "",
            read_mirror,
            "A mirror for versions of Python and Node.js that the stack lacks, instead of their official servers: "
            "an http or https URL, or a folder; an empty value clears it.",
        ),
        Setting(
            "billing",
            False,  # noqa: FBT003 - the default
            _flag,
            "Whether organizations pay for each hour of their apps, from their wallets: true or false.",
        ),
        Setting[Value](
            "first_byte_timeout_s",
            DEFAULT_TIMEOUT_S,
            read_timeout,
            "How many seconds a dyno has to begin its response, unless its app has another limit.",
        ),
        Setting[Value](
            "idle_timeout_s",
            DEFAULT_TIMEOUT_S,
            read_timeout,
            "After how many seconds of silence a response or a WebSocket ends, unless its app has another limit.",
        ),
        Setting[Value](
            "hsts_max_age_s",
            0,
            read_max_age,
            "How many seconds browsers that opened an app over HTTPS keep to HTTPS (Strict-Transport-Security); 0 says nothing to them.",
        ),
        Setting("currency", "USD", read_currency, "The currency of all prices: a code of ISO 4217, such as EUR, or a symbol, such as $."),
        Setting("starting_credit", "100.00", _credit, "The starting balance of a new organization's wallet."),
        Setting[Value](
            "wallet_low_hours",
            72,
            read_hours,
            "How many hours a wallet has to last at its organization's present cost; below that, its owners get a mail. 0 is never.",
        ),
        Setting("smtp_host", "", read_host, "The mail server for invitations and new passwords; empty for no mail."),
        Setting[Value]("smtp_port", 587, read_port, "The port of the mail server."),
        Setting(
            "smtp_security",
            Security.STARTTLS.value,
            _choice(*Security),
            "The encryption of the connection to the mail server: starttls, tls (mostly port 465) or none.",
            choices=tuple(Security),
        ),
        Setting("smtp_user", "", read_login, "The user name at the mail server, if it requires one."),
        Setting("smtp_password", "", read_login, "The password of that user at the mail server.", is_sensitive=True),
        Setting("mail_sender", "", read_sender, "The sender address of mails."),
        Setting(
            "acme_directory",
            certificate.LETS_ENCRYPT,
            certificate.read_directory,
            "The certificate authority: letsencrypt, letsencrypt-staging, or the URL of another one's ACME directory; empty for none.",
        ),
        Setting("acme_email", "", certificate.read_contact, "The address that the certificate authority may write to."),
        Setting("acme_eab_kid", "", certificate.read_eab_kid, "The key id of an account at the certificate authority, if it requires one."),
        Setting("acme_eab_key", "", certificate.read_eab_key, "The HMAC key of that account, in base64url.", is_sensitive=True),
        Setting(
            "acme_ca_bundle",
            "",
            certificate.read_bundle,
            "Certificates in PEM that the certificate authority's own server is checked with, if this machine does not trust it.",
        ),
        Setting[Value](
            "certificates_per_organization",
            100,
            certificate.read_orders,
            "How many certificates one organization may order within 3 hours. Let's Encrypt allows 300 for the whole panel.",
        ),
        Setting(
            "dns_updates",
            dns_updates.DnsUpdates.NONE.value,
            _choice(*dns_updates.DnsUpdates),
            "How the panel writes records to DNS, which certificates for wildcards need: none, or rfc2136 (dynamic updates).",
            choices=tuple(dns_updates.DnsUpdates),
        ),
        Setting(
            "rfc2136_server",
            "",
            dns_updates.read_server,
            "The primary server of the panel's zone, such as 10.1.0.1 or [2001:db8::1]:5353, which takes dynamic updates (RFC 2136).",
        ),
        Setting("rfc2136_zone", "", dns_updates.read_zone, "The zone, such as example.com. By default, the server is asked for it."),
        Setting("rfc2136_key_name", "", dns_updates.read_key_name, "The name of the TSIG key that signs updates, if the server wants one."),
        Setting("rfc2136_key_secret", "", dns_updates.read_key_secret, "The secret of that key, in base64.", is_sensitive=True),
        Setting(
            "rfc2136_key_algorithm",
            dns_updates.ALGORITHMS[0],
            _choice(*dns_updates.ALGORITHMS),
            f"The algorithm of that key: {', '.join(dns_updates.ALGORITHMS)}.",
            choices=dns_updates.ALGORITHMS,
        ),
        Setting(
            "storage",
            StorageKind.FILES.value,
            _choice(*StorageKind),
            "Where slugs, sources and build output are kept: files (the panel's home) or s3 (the bucket below).",
            choices=tuple(StorageKind),
        ),
        Setting("s3_endpoint", "", _endpoint, "The URL of an S3 endpoint, such as https://s3.example.com."),
        Setting("s3_region", "us-east-1", _matching(_NAME, _WORD), "The region of the bucket; many endpoints take any."),
        Setting("s3_bucket", "", _matching(_BUCKET, "Use 3 to 63 lowercase letters, digits and dashes."), "The bucket, which must exist."),
        Setting(
            "s3_prefix",
            "skypanel",
            _matching(_PREFIX, "Use letters, digits, dashes and underscores, with slashes between."),
            "The prefix of all object keys. Two panels must not share one.",
            at_first="skypanel- and 8 digits",
        ),
        Setting("s3_access_key", "", _secret, "The access key.", is_sensitive=True),
        Setting("s3_secret_key", "", _secret, "The secret access key.", is_sensitive=True),
    )
}
DEFAULTS: Mapping[str, Value] = {setting.key: setting.default for setting in SETTINGS.values()}
BUCKET_SETTINGS = tuple(key for key in SETTINGS if key.startswith("s3_"))
STORAGE_SETTINGS = ("storage", *BUCKET_SETTINGS)

# The settings by what they are about; one that is in none of these is in the category General.
_CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "Apps": ("default_plan", "push_creates_apps", "kept_releases", "webhook_networks"),
    "HTTP": http_rules.SETTINGS,
    "Domains": ("public_addresses", "dns_resolvers"),
    "Builds": ("builds_per_organization", "git_networks", "pip_index_url", "pip_extra_index_urls", "npm_registry", "runtime_mirror"),
    "Metrics": ("metrics_token",),
    "Logs": (
        "log_masked_parameters",
        "log_retention_days",
        "log_retention_of_plans",
        "loki_url",
        "loki_tenant",
        "loki_user",
        "loki_password",
    ),
    "Billing": ("billing", "currency", "starting_credit", "wallet_low_hours"),
    "Mail": ("smtp_host", "smtp_port", "smtp_security", "smtp_user", "smtp_password", "mail_sender"),
    "Certificates": ("acme_directory", "acme_email", "acme_eab_kid", "acme_eab_key", "acme_ca_bundle", "certificates_per_organization"),
    "DNS": dns_updates.SETTINGS,
    "Storage": STORAGE_SETTINGS,
}


def categories() -> Mapping[str, tuple[str, ...]]:
    """Return the keys of all settings, by category."""
    placed = {key for keys in _CATEGORIES.values() for key in keys}
    general = tuple(key for key in SETTINGS if key not in placed)
    return {**_CATEGORIES, **({"General": general} if general else {})}


def find(key: str) -> Setting[Value]:
    """Return the setting with this key. Raises NotFound."""
    if key not in SETTINGS:
        raise NotFound(f"There is no setting {printable(key)}.", "Run `skypanel settings list` to list all settings.")
    return SETTINGS[key]


def read(changes: Mapping[str, str]) -> dict[str, Value]:
    """Parse changed settings. Raises NotFound or Invalid, which name the setting."""
    values = {}
    for key, text in changes.items():
        setting = find(key)
        try:
            values[key] = setting.read(text)
        except Invalid as error:
            raise Invalid(f"{key}: {error.message}", error.hint) from None
    return values


def problems(changes: Mapping[str, str]) -> dict[str, Invalid]:
    """Return what is wrong with each of these settings; one that can be as it was typed is left out."""
    found = {}
    for key, text in changes.items():
        try:
            find(key).read(text)
        except Invalid as error:
            found[key] = error
    return found


def indexes_of(values: Mapping[str, Value]) -> Indexes:
    """Return the package indexes that the settings choose."""
    return Indexes(str(values["pip_index_url"]), tuple(str(values["pip_extra_index_urls"]).split()), str(values["npm_registry"]))


def storage_of(values: Mapping[str, Value]) -> Storage:
    """Return the storage that the settings choose. Raises Invalid if they are incomplete."""
    return bucket_of(values) if values["storage"] == StorageKind.S3 else Storage()


def bucket_of(values: Mapping[str, Value]) -> Storage:
    """Return the bucket in the settings, whether it is in use or not. Raises Invalid if they are incomplete."""
    missing = [key for key in BUCKET_SETTINGS if not values[key]]
    if missing:
        raise Invalid(
            f"The bucket is not configured yet: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.",
            "Set all of them at once: skypanel settings set storage=s3 s3_endpoint=... s3_bucket=... s3_access_key s3_secret_key",
        )
    return Storage(StorageKind.S3, *(str(values[key]) for key in BUCKET_SETTINGS))
