from dataclasses import replace
from datetime import UTC, timedelta
from itertools import count

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from skypanel.domain.certificate import AcmeOrder, AuthorityError, Authorization, Challenge, ChallengeKind, Status

ISSUER = "Fake Authority"


async def believe(_name, challenge):
    return challenge.proof


class FakeAuthority:
    """Issues certificates that are valid for `life` by its clock. `prove` looks a challenge's proof up, as a CA would by HTTP or DNS.

    `fails` maps the names of methods to errors, each raised once, and `asked` has the names of all calls. `info` is what it says about
    renewals.
    """

    def __init__(self, clock, prove=believe, life=timedelta(days=90)):
        self.clock, self.prove, self.life, self.info = clock, prove, life, None
        self.fails, self.asked, self.revoked = {}, [], []
        self._accounts, self._orders, self._requests, self._chains, self._numbers = {}, {}, {}, {}, count(1)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ISSUER)])

    def forget(self):
        """Forget all accounts."""
        self._accounts.clear()

    async def register(self, authority, key):
        self._begin("register", authority)
        return self._accounts.setdefault(key, f"{authority.directory}/account/{next(self._numbers)}")

    async def order(self, account, request):
        self._begin("order", account.authority, account)
        names = x509.load_pem_x509_csr(request.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        [name] = names.value.get_values_for_type(x509.DNSName)
        url = f"{account.authority.directory}/order/{next(self._numbers)}"
        kinds = (ChallengeKind.DNS,) if name.startswith("*.") else (ChallengeKind.DNS, ChallengeKind.HTTP)
        token = f"token{next(self._numbers)}"
        challenges = tuple(
            Challenge(kind, f"{url}/{kind}", token, f"{token}.{kind}" if kind is ChallengeKind.HTTP else f"{token}-{kind}")
            for kind in kinds
        )
        authorization = Authorization(name.removeprefix("*."), Status.PENDING, challenges)
        self._orders[url] = AcmeOrder(url, f"{url}/finalize", Status.PENDING, (authorization,))
        self._requests[url] = request
        return self._orders[url]

    async def look_up(self, account, order_url):
        self._begin("look_up", account.authority, account)
        return self._orders[order_url]

    async def answer(self, account, challenge_url):
        self._begin("answer", account.authority, account)
        url, _, kind = challenge_url.rpartition("/")
        order = self._orders[url]
        if order.status is not Status.PENDING:
            return
        [authorization] = order.authorizations
        asked = next(each for each in authorization.challenges if each.kind == kind)
        if await self.prove(authorization.name, asked) == asked.proof:
            valid = replace(authorization, status=Status.VALID)
            self._orders[url] = replace(order, status=Status.READY, authorizations=(valid,))
            return
        problem = f"The certificate authority says: the proof of {authorization.name} is wrong"
        challenges = tuple(replace(each, problem=problem) if each == asked else each for each in authorization.challenges)
        refused = replace(authorization, status=Status.INVALID, challenges=challenges)
        self._orders[url] = replace(order, status=Status.INVALID, authorizations=(refused,))

    async def finalize(self, account, finalize_url, request):
        self._begin("finalize", account.authority, account)
        url = finalize_url.removesuffix("/finalize")
        order = self._orders[url]
        if order.status is not Status.READY:
            raise AuthorityError("The certificate authority says: the order is not ready", code="orderNotReady")
        csr = x509.load_pem_x509_csr(request.encode())
        extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        leaf = self._sign(x509.Name([]), csr.public_key(), self._name, [extension])
        certificate_url = f"{url}/certificate"
        self._chains[certificate_url] = leaf + self._sign(self._name, self._key.public_key(), self._name, [])
        self._orders[url] = replace(order, status=Status.VALID, certificate_url=certificate_url)

    async def fetch(self, account, certificate_url):
        self._begin("fetch", account.authority, account)
        return self._chains[certificate_url]

    async def renewal_info(self, authority, chain):
        self._begin("renewal_info", authority)
        return self.info

    async def revoke(self, account, chain):
        self._begin("revoke", account.authority, account)
        self.revoked.append(chain)

    def _begin(self, name, authority, account=None):
        self.asked.append(name)
        if ":1/" in authority.directory:
            raise AuthorityError(f"The certificate authority at {authority.directory} does not answer as it should: refused.")
        if name in self.fails:
            raise self.fails.pop(name)
        if account is not None and self._accounts.get(account.key) != account.url:
            raise AuthorityError("The certificate authority says: no such account", code="accountDoesNotExist")

    def _sign(self, subject, public_key, issuer, extensions):
        now = self.clock.now().astimezone(UTC).replace(microsecond=0)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + self.life)
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM).decode()
