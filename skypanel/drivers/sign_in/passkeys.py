"""The Passkeys port, by webauthn. A passkey must verify its user: it is both factors at once."""

from collections.abc import Sequence

import webauthn
from webauthn.helpers import base64url_to_bytes, options_to_json, parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from skypanel.domain.account import Account
from skypanel.domain.errors import Invalid
from skypanel.domain.passkey import Credential, RelyingParty

NAME = "SkyPanel"
_SELECTION = AuthenticatorSelectionCriteria(
    resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
)


class WebauthnPasskeys:
    """Asks for no attestation, so that every authenticator will do."""

    def options_to_add(self, party: RelyingParty, account: Account, challenge: bytes, known: Sequence[bytes]) -> str:
        """Return the options of a new passkey as JSON."""
        options = webauthn.generate_registration_options(
            rp_id=party.host,
            rp_name=NAME,
            user_id=account.id.bytes,
            user_name=account.email,
            challenge=challenge,
            authenticator_selection=_SELECTION,
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each) for each in known],
        )
        return options_to_json(options)

    def added(self, party: RelyingParty, answer: str, challenge: bytes) -> Credential:
        """Return the credential in a browser's answer. Raises Invalid."""
        try:
            verified = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=party.host,
                expected_origin=party.origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError) as error:
            raise _invalid() from error
        return Credential(verified.credential_id, verified.credential_public_key, verified.sign_count)

    def options_to_sign_in(self, party: RelyingParty, challenge: bytes) -> str:
        """Return the options of a sign-in as JSON. The browser offers the passkeys that it has for the site."""
        options = webauthn.generate_authentication_options(
            rp_id=party.host, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
        )
        return options_to_json(options)

    def credential_id(self, answer: str) -> bytes:
        """Return which credential answered. Raises Invalid."""
        try:
            return base64url_to_bytes(parse_authentication_credential_json(answer).id)
        except (WebAuthnException, ValueError) as error:
            raise _invalid() from error

    def verified(self, party: RelyingParty, answer: str, challenge: bytes, credential: Credential) -> int:
        """Return how often the credential has signed by now. Raises Invalid."""
        try:
            verified = webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=party.host,
                expected_origin=party.origin,
                credential_public_key=credential.public_key,
                credential_current_sign_count=credential.sign_count,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError) as error:
            raise _invalid() from error
        return verified.new_sign_count


def _invalid() -> Invalid:
    return Invalid("This passkey's answer cannot be verified.", "Try again, with a passkey for this site.")
