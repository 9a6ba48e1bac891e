"""Certificates: the authority that issues them by ACME (RFC 8555), and the making and reading of keys and certificates."""

from collections.abc import Sequence
from typing import Protocol

from skypanel.domain.certificate import AcmeAccount, AcmeOrder, Authority, Facts, KeyPair, Parties, RenewalInfo


class CertificateAuthority(Protocol):
    """A CA with an ACME directory. Every method raises AuthorityError if the CA refuses or does not answer."""

    async def register(self, authority: Authority, key: str) -> str:
        """Return the URL of the account with this key (PEM), which is made if there is none. Agrees to the CA's terms."""
        ...

    async def order(self, account: AcmeAccount, request: str) -> AcmeOrder:
        """Order a certificate for the names in a certificate signing request (PEM)."""
        ...

    async def look_up(self, account: AcmeAccount, order_url: str) -> AcmeOrder:
        """Return an order as it is now."""
        ...

    async def answer(self, account: AcmeAccount, challenge_url: str) -> None:
        """Tell the CA that a challenge can be checked. Once it was checked, this does nothing."""
        ...

    async def finalize(self, account: AcmeAccount, finalize_url: str, request: str) -> None:
        """Ask for the certificate of an order that is ready."""
        ...

    async def fetch(self, account: AcmeAccount, certificate_url: str) -> str:
        """Return a certificate with its chain, as PEM."""
        ...

    async def renewal_info(self, authority: Authority, chain: str) -> RenewalInfo | None:
        """Return when to renew a certificate; None if the CA does not say."""
        ...

    async def revoke(self, account: AcmeAccount, chain: str) -> None:
        """Revoke a certificate of the account. A revoked one stays revoked."""
        ...


class Certificates(Protocol):
    """Makes keys and reads certificates."""

    def make_key(self) -> str:
        """Return a new private key, as PEM."""
        ...

    def request(self, key: str, names: Sequence[str]) -> str:
        """Return a certificate signing request for names, as PEM."""
        ...

    def read(self, chain: str, key: str) -> Facts:
        """Check that the chain is in order and that the key fits its first certificate. Raises Invalid, which never shows the key."""
        ...

    def read_upload(self, chain: str, key: str) -> tuple[Facts, KeyPair]:
        """Read a certificate from outside as `read` does, and return it in the form that proxies read. Raises Invalid.

        Proxies take the common name and IP addresses for names as well, so these must not add any.
        """
        ...

    def parties(self, chain: str) -> Parties:
        """Return who a stored certificate is for and who issued it."""
        ...
