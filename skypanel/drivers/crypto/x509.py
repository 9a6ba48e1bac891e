"""The Certificates port: keys and certificates (RFC 5280) by cryptography."""

import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from warnings import catch_warnings

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from skypanel.domain.certificate import Facts, KeyPair, Parties
from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 4096
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
MAX_NAME = 64
# What parts of a certificate raise that was read as a whole.
_UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


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

    def read_upload(self, chain: str, key: str) -> tuple[Facts, KeyPair]:
        """Read a certificate from outside as `read` does, and return it in the form that proxies read. Raises Invalid.

        Traefik takes the common name and IP addresses for names as well, and separates names by commas.
        """
        try:
            facts = self.read(chain, key)
            pair = _normalized(chain, key, facts.names)
            self.parties(pair.chain)
        except _UNREADABLE:
            raise Invalid("The certificate cannot be read.", "Get another one: some part of it breaks the rules of RFC 5280.") from None
        return facts, pair

    def parties(self, chain: str) -> Parties:
        """Return who a stored certificate is for and who issued it."""
        certificates = _certificates(chain)
        return Parties(certificates[0].subject.rfc4514_string(), certificates[0].issuer.rfc4514_string(), _is_trusted(certificates))


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
        if not _is_issued_by(issued, issuer):
            raise Invalid(
                f"The chain is out of order: {_name(issuer.subject)} did not issue {_name(issued.subject)}.",
                "Put the certificate of the names first, then the one that issued it, and so on.",
            )


def _is_issued_by(issued: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        issued.verify_directly_issued_by(issuer)
    except (InvalidSignature, TypeError, ValueError, UnsupportedAlgorithm):
        return False
    return True


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


def _normalized(chain: str, key: str, names: Sequence[str]) -> KeyPair:
    certificates, loaded = _certificates(chain), load_pem_private_key(key.encode(), password=None)
    _check_known(certificates[0], names)
    if isinstance(loaded, ec.EllipticCurvePrivateKey) and not isinstance(loaded.curve, CURVES):
        raise Invalid("Browsers know no certificates with such a key.", "Use an RSA key of at least 2048 bits, or the curve P-256.")
    if isinstance(loaded, rsa.RSAPrivateKey) and loaded.key_size > MAX_RSA_BITS:
        raise Invalid(f"The key has {loaded.key_size} bits, which makes each connection slow.", f"Use up to {MAX_RSA_BITS}.")
    pem = "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates)
    return KeyPair(tuple(names), pem, loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def _check_known(certificate: x509.Certificate, names: Sequence[str]) -> None:
    common = [str(each.value).lower() for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if not set(common) <= set(names):
        raise Invalid("The common name of the certificate is not among its names.", "Get one whose common name is one of its domains.")
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    if extension.value.get_values_for_type(x509.IPAddress):
        raise Invalid("The certificate is for IP addresses, too.", "Get one for domains alone.")


def _is_trusted(certificates: Sequence[x509.Certificate]) -> bool:
    """Whether a chain, which is in order, ends at a CA that this machine trusts."""
    roots = _roots().get(certificates[-1].issuer, ())
    return all(map(_is_authority, certificates[1:])) and any(_is_issued_by(certificates[-1], root) for root in roots)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


@cache
def _roots() -> Mapping[x509.Name, Sequence[x509.Certificate]]:
    """Return the certificates that this machine trusts, by their names; none if they are not in one file."""
    paths = ssl.get_default_verify_paths()
    known = [Path(each) for each in (paths.cafile, paths.openssl_cafile, "/etc/ssl/certs/ca-certificates.crt") if each]
    file = next((each for each in known if each.is_file()), None)
    roots: dict[x509.Name, list[x509.Certificate]] = {}
    for each in _roots_in(file.read_bytes()) if file else ():
        roots.setdefault(each.subject, []).append(each)
    return roots


def _roots_in(bundle: bytes) -> Iterator[x509.Certificate]:
    """Yield the certificates of a bundle, without old ones that break rules of RFC 5280."""
    with catch_warnings(action="error"):
        for pem in _PEM.findall(bundle):
            try:
                yield x509.load_pem_x509_certificate(pem)
            except (ValueError, CryptographyDeprecationWarning):
                continue


def _name(name: x509.Name) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(kind):
            return printable(str(found[0].value), MAX_NAME).strip("'")
    return "an unnamed authority"
