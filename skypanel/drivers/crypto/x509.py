"""The Certificates port: keys and certificates (RFC 5280) by cryptography."""

from collections.abc import Sequence
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from skypanel.domain.certificate import Facts
from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

MIN_RSA_BITS = 2048
MAX_NAME = 64


class X509Certificates:
    """Makes keys of the curve P-256, which all clients and CAs know."""

    def make_key(self) -> str:
        """Return a new private key, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def request(self, key: str, names: Sequence[str]) -> str:
        """Return a certificate signing request for names, as PEM."""
        loaded = load_pem_private_key(key.encode(), password=None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)  # noqa: S101 - make_key makes no other
        extension = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(extension, critical=False)
        return builder.sign(loaded, SHA256()).public_bytes(Encoding.PEM).decode()

    def read(self, chain: str, key: str) -> Facts:
        """Check that the chain is in order and that the key fits its first certificate. Raises Invalid, which never shows the key."""
        certificates = _certificates(chain)
        _check_key(certificates[0], key)
        _check_order(certificates)
        return _facts(certificates[0])


def _certificates(chain: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(chain.encode())
    except ValueError:
        raise Invalid("This is not a certificate.", "Give the certificate and its chain in PEM, the certificate first.") from None


def _check_key(certificate: x509.Certificate, key: str) -> None:
    try:
        loaded = load_pem_private_key(key.encode(), password=None)
    except TypeError:
        raise Invalid("The private key has a passphrase.", "Remove it: openssl pkey -in server.key -out plain.key") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid("This is not a private key.", "Give the certificate's private key in PEM, without a passphrase.") from None
    if not isinstance(loaded, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise Invalid("Browsers know no certificates with such a key.", "Use an RSA key of at least 2048 bits, or an elliptic curve.")
    if isinstance(loaded, rsa.RSAPrivateKey) and loaded.key_size < MIN_RSA_BITS:
        raise Invalid(f"The key has only {loaded.key_size} bits.", f"Browsers accept RSA keys from {MIN_RSA_BITS} bits.")
    parts = [each.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for each in (loaded.public_key(), certificate.public_key())]
    if parts[0] != parts[1]:
        raise Invalid("The private key is not the one of this certificate.", "Put the certificate of the names first, then its chain.")


def _check_order(certificates: Sequence[x509.Certificate]) -> None:
    for issued, issuer in pairwise(certificates):
        try:
            issued.verify_directly_issued_by(issuer)
        except (InvalidSignature, TypeError, ValueError, UnsupportedAlgorithm):
            raise Invalid(
                f"The chain is out of order: {_name(issuer.subject)} did not issue {_name(issued.subject)}.",
                "Put the certificate of the names first, then the one that issued it, and so on.",
            ) from None


def _facts(certificate: x509.Certificate) -> Facts:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        raise Invalid("The certificate has no names that browsers look at.", "Get one with subject alternative names.") from None
    names = tuple(dict.fromkeys(name.lower() for name in extension.value.get_values_for_type(x509.DNSName)))
    if not names:
        raise Invalid("The certificate is for no domain.", "Get one for the app's domains.")
    return Facts(
        names=names,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        issuer=_name(certificate.issuer),
        serial=f"{certificate.serial_number:x}",
    )


def _name(name: x509.Name) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(kind):
            return printable(str(found[0].value), MAX_NAME).strip("'")
    return "an unnamed authority"
