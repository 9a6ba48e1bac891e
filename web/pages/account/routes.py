"""URLs of signing in, and of the account's pages."""

from aiohttp import web

from web.pages import forgotten, sign_in, welcome
from web.pages.account import keys, notifications, overview, security, sessions, tokens

ROUTES = (
    web.get("/login", sign_in.show),
    web.post("/login", sign_in.sign_in),
    web.post("/logout", sign_in.sign_out),
    web.get("/login/code", sign_in.show_code),
    web.post("/login/code", sign_in.check_code),
    web.post("/login/passkey/question", sign_in.passkey_question),
    web.post("/login/passkey", sign_in.by_passkey),
    web.get("/login/forgotten", forgotten.show),
    web.post("/login/forgotten", forgotten.ask),
    web.get("/login/reset", forgotten.show_reset),
    web.post("/login/reset", forgotten.reset),
    web.get("/welcome", welcome.show),
    web.get("/account", overview.show),
    web.post("/account/password", overview.set_password),
    web.get("/account/email", overview.show_address),
    web.post("/account/email", overview.change_address),
    web.post("/account/email/confirm", overview.confirm_address),
    web.get("/account/keys", keys.index),
    web.post("/account/keys", keys.add),
    web.post("/account/keys/remove", keys.remove),
    web.get("/account/tokens", tokens.index),
    web.post("/account/tokens", tokens.add),
    web.post("/account/tokens/revoke", tokens.revoke),
    web.get("/account/security", security.show),
    web.post("/account/security", security.change),
    web.get("/account/security/code.svg", security.code),
    web.post("/account/passkeys/question", security.passkey_question),
    web.post("/account/passkeys", security.add_passkey),
    web.post("/account/passkeys/remove", security.remove_passkey),
    web.get("/account/notifications", notifications.show),
    web.post("/account/notifications", notifications.change),
    web.get("/account/sessions", sessions.index),
    web.post("/account/sessions/end", sessions.end),
)
