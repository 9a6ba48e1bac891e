"""The home's own certificate authority, constrained to names under the panel's domain."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=3650)
CERTIFICATE_LIFE = timedelta(days=730)
RENEWAL = timedelta(days=365)
# Clocks of clients may be behind.
BACKDATED = timedelta(hours=1)
EVERY_ADDRESS = (x509.IPAddress(ip_network("0.0.0.0/0")), x509.IPAddress(ip_network("::/0")))


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        """Show the certificate only, never the key."""
        return f"Pair({self.certificate!r})"


def make_authority(domain: str, now: datetime) -> Pair:
    """Make a CA for `domain` and the names under it (RFC 5280, 4.2.1.10: a DNS constraint includes its subdomains)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"SkyPanel at {domain}"[:64])])
    certificate = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.NameConstraints([x509.DNSName(domain)], EVERY_ADDRESS), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return _pair(certificate, key)


def issue(authority: Pair, hosts: tuple[str, ...], now: datetime) -> Pair:
    """Issue a server certificate for hostnames, which may be wildcards."""
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    issuer_key = load_pem_private_key(authority.key, password=None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)  # noqa: S101 - make_authority makes no other
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
    certificate = (
        _builder(name, issuer.subject, key.public_key(), now, CERTIFICATE_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, SHA256())
    )
    return _pair(certificate, key)


def panel_hosts(domain: str) -> tuple[str, ...]:
    """Return the names in the panel's own certificate.

    The dashboard has its own entry, because clients accept no wildcard directly under a top-level domain such as localhost.
    """
    return (f"skypanel.{domain}", domain, f"*.{domain}")


def is_constrained_to(certificate: bytes, domain: str) -> bool:
    """Whether a CA certificate is constrained to exactly this domain."""
    constraints = x509.load_pem_x509_certificate(certificate).extensions.get_extension_for_class(x509.NameConstraints).value
    return constraints.permitted_subtrees == [x509.DNSName(domain)]


def is_fresh(certificate: bytes, now: datetime) -> bool:
    """Whether a certificate is valid for more than RENEWAL."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc - now > RENEWAL


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - BACKDATED)
        .not_valid_after(now.astimezone(UTC) + life)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Pair(certificate.public_bytes(Encoding.PEM), pem)
