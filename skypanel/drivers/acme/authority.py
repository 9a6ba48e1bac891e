"""The CertificateAuthority port: ACME by certbot's library, which blocks, in threads."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock
from typing import TypeVar

import requests
from acme import challenges, errors, messages
from acme.client import ClientV2
from cryptography.x509 import load_pem_x509_certificate, load_pem_x509_csr
from josepy.errors import Error as JoseError
from josepy.interfaces import JSONDeSerializable

from skypanel.domain.certificate import (
    AcmeAccount,
    AcmeOrder,
    Authority,
    AuthorityError,
    Authorization,
    Challenge,
    ChallengeKind,
    RenewalInfo,
    Status,
)
from skypanel.domain.names import printable
from skypanel.drivers.acme.network import connect, signing_key, waits

# A CA that answers each request just in time does not hold a job for longer than this.
CALL_S = 60.0
MAX_WORDS = 600
MAX_IDLE = 8
NO_REASON = 0

KINDS: dict[type[challenges.Challenge], ChallengeKind] = {challenges.HTTP01: ChallengeKind.HTTP, challenges.DNS01: ChallengeKind.DNS}
# The library sends it as an empty object, which is what a CA wants (RFC 8555, 7.5.1).
ANSWER = challenges.HTTP01Response(key_authorization="")

T = TypeVar("T")
# A CA, the key of an account, and its URL; without an account both are empty.
Login = tuple[Authority, str, str]


class AcmeAuthority:
    """Keeps some connections to CAs for later calls. One thread at a time uses each."""

    def __init__(self) -> None:
        self._idle: dict[Login, list[ClientV2]] = {}
        self._lock = Lock()

    async def register(self, authority: Authority, key: str) -> str:
        """Return the URL of the account with this key, which is made if there is none."""
        return await self._call((authority, key, ""), lambda client: _register(client, authority, key))

    async def order(self, account: AcmeAccount, request: str) -> AcmeOrder:
        """Order a certificate for the names in a request."""
        return await self._call(_login(account), lambda client: _order(client, request))

    async def look_up(self, account: AcmeAccount, order_url: str) -> AcmeOrder:
        """Return an order as it is now."""
        return await self._call(_login(account), lambda client: _look_up(client, order_url))

    async def answer(self, account: AcmeAccount, challenge_url: str) -> None:
        """Tell the CA that a challenge can be checked."""
        await self._call(_login(account), lambda client: _post(client, challenge_url, ANSWER))

    async def finalize(self, account: AcmeAccount, finalize_url: str, request: str) -> None:
        """Ask for the certificate of an order that is ready."""
        wanted = messages.CertificateRequest(csr=load_pem_x509_csr(request.encode()))
        await self._call(_login(account), lambda client: _post(client, finalize_url, wanted))

    async def fetch(self, account: AcmeAccount, certificate_url: str) -> str:
        """Return a certificate with its chain."""
        return await self._call(_login(account), lambda client: str(_post(client, certificate_url).text))

    async def renewal_info(self, authority: Authority, chain: str) -> RenewalInfo | None:
        """Return when to renew a certificate; None if the CA does not say."""
        return await self._call((authority, "", ""), lambda client: _renewal_info(client, chain))

    async def revoke(self, account: AcmeAccount, chain: str) -> None:
        """Revoke a certificate of the account."""
        await self._call(_login(account), lambda client: _revoke(client, chain))

    def close(self) -> None:
        """Close the connections that no call uses."""
        with self._lock:
            for idle in self._idle.values():
                while idle:
                    idle.pop().net.session.close()

    async def _call(self, login: Login, ask: Callable[[ClientV2], T]) -> T:
        try:
            return await asyncio.wait_for(asyncio.to_thread(self._ask, login, ask), CALL_S)
        except TimeoutError:
            raise _unusable(login[0], f"no answer within {CALL_S:g} s") from None

    def _ask(self, login: Login, ask: Callable[[ClientV2], T]) -> T:
        client: ClientV2 | None = None
        try:
            client = self._take(login) or connect(*login)
            return ask(client)
        except messages.Error as error:
            raise _refused(error, waits(client) if client else None) from None
        except requests.RequestException as error:
            raise _unusable(login[0], _innermost(error)) from None
        except (errors.Error, JoseError, LookupError, TypeError, ValueError) as error:
            raise _unusable(login[0], _innermost(error), waits(client) if client else None) from None
        finally:
            if client:
                self._give_back(login, client)

    def _take(self, login: Login) -> ClientV2 | None:
        with self._lock:
            idle = self._idle.get(login)
            return idle.pop() if idle else None

    def _give_back(self, login: Login, client: ClientV2) -> None:
        with self._lock:
            idle = self._idle.setdefault(login, [])
            if len(idle) < MAX_IDLE:
                idle.append(client)


def _login(account: AcmeAccount) -> Login:
    return account.authority, account.key, account.url


def _unusable(authority: Authority, reason: str, wait: timedelta | None = None) -> AuthorityError:
    return AuthorityError(f"The certificate authority at {authority.directory} does not answer as it should: {reason}.", retry_after=wait)


def _refused(error: messages.Error, wait: timedelta | None) -> AuthorityError:
    return AuthorityError(_words(error), code=str(error.typ).rpartition(":")[2], retry_after=wait)


def _innermost(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return printable(str(error) or type(error).__name__, MAX_WORDS)


def _words(error: messages.Error) -> str:
    """Return the CA's own words: about the request, then about single names."""
    said = [error.detail or error.title or error.typ, *(each.detail or each.typ for each in error.subproblems or ())]
    return "The certificate authority says: " + " ".join(" ".join(str(words).split()) for words in said)[:MAX_WORDS]


def _register(client: ClientV2, authority: Authority, private: str) -> str:
    account = messages.NewRegistration.from_data(email=authority.email or None, terms_of_service_agreed=True)
    if authority.eab_kid:
        key = signing_key(private).public_key()
        bound = messages.ExternalAccountBinding.from_data(key, authority.eab_kid, authority.eab_key, client.directory)
        account = account.update(external_account_binding=bound)
    try:
        return str(client.new_account(account).uri)
    except errors.ConflictError as known:
        return known.location
    finally:
        # The connection stays one that has no account.
        client.net.account = None


def _order(client: ClientV2, request: str) -> AcmeOrder:
    made = client.new_order(request.encode())
    return _read(client, made.uri, made.body, made.authorizations)


def _look_up(client: ClientV2, url: str) -> AcmeOrder:
    response = _post(client, url)
    wait = waits(client)
    body = messages.Order.from_json(response.json())
    asked = body.authorizations if body.status in {messages.STATUS_PENDING, messages.STATUS_INVALID} else ()
    return _read(client, url, body, [_authorization_at(client, each) for each in asked], wait)


def _authorization_at(client: ClientV2, url: str) -> messages.AuthorizationResource:
    return messages.AuthorizationResource(uri=url, body=messages.Authorization.from_json(_post(client, url).json()))


def _read(
    client: ClientV2, url: str, body: messages.Order, found: list[messages.AuthorizationResource], wait: timedelta | None = None
) -> AcmeOrder:
    return AcmeOrder(
        url=url,
        finalize_url=body.finalize,
        status=Status(body.status.name),
        authorizations=tuple(_authorization(client, each.body) for each in found),
        certificate_url=body.certificate or "",
        problem=_words(body.error) if body.error else "",
        retry_after=wait,
    )


def _authorization(client: ClientV2, body: messages.Authorization) -> Authorization:
    status = body.status.name if body.status else Status.PENDING.value
    found = [_challenge(client, each) for each in body.challenges if type(each.chall) in KINDS]
    return Authorization(
        name=body.identifier.value,
        # Expired, deactivated and revoked ones are of as little use as invalid ones (RFC 8555, 7.1.6).
        status=Status(status) if status in {each.value for each in Status} else Status.INVALID,
        challenges=tuple(sorted(found, key=lambda each: each.kind)),
    )


def _challenge(client: ClientV2, body: messages.ChallengeBody) -> Challenge:
    return Challenge(
        kind=KINDS[type(body.chall)],
        url=body.uri,
        token=body.chall.encode("token"),
        proof=body.chall.validation(client.net.key),
        problem=_words(body.error) if body.error else "",
    )


def _post(client: ClientV2, url: str, body: JSONDeSerializable | None = None) -> requests.Response:
    return client.net.post(url, body, new_nonce_url=client.directory["newNonce"])


def _renewal_info(client: ClientV2, chain: str) -> RenewalInfo | None:
    renew_at, check_at = client.renewal_time(chain.encode())
    # The library's time of the next check is local and naive.
    return None if renew_at is None else RenewalInfo(renew_at, check_at - datetime.now())  # noqa: DTZ005


def _revoke(client: ClientV2, chain: str) -> None:
    try:
        client.revoke(load_pem_x509_certificate(chain.encode()), NO_REASON)
    except messages.Error as error:
        if error.code != "alreadyRevoked":
            raise
