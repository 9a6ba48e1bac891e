"""Domains as people type and read them: in any script (IDNA 2008, RFC 5891), and without public suffixes."""

from functools import cache

import idna
from publicsuffixlist import PublicSuffixList

from skypanel.domain.domains import WILDCARD, check_name, check_typed
from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable


def read(text: str, panel_domain: str) -> str:
    """Return a typed domain in lowercase ASCII, if an app may claim it. Raises Invalid."""
    typed = text.strip().removesuffix(".")
    check_typed(typed)
    name = check_name(_ascii(typed), panel_domain)
    base = name.removeprefix(WILDCARD)
    if _suffixes().is_public(base):
        raise Invalid(f"{shown(name)} is shared by many.", f"Everybody can register a domain below {shown(base)}. Add one of yours.")
    return name


def ascii_or(text: str) -> str:
    """Return a typed domain in lowercase ASCII, or the text itself if it is none."""
    try:
        return _ascii(text.strip().removesuffix("."))
    except Invalid:
        return text


def shown(name: str) -> str:
    """Return a domain in its own script."""
    is_wildcard, base = name.startswith(WILDCARD), name.removeprefix(WILDCARD)
    try:
        return f"{WILDCARD if is_wildcard else ''}{idna.decode(base)}"
    except idna.IDNAError:  # a newer version of Unicode may no longer allow it
        return name


def is_apex(name: str) -> bool:
    """Whether a name is registered itself, so that it cannot be a CNAME (RFC 1034, 3.6.2): example.com, but not www.example.com."""
    return bool(_suffixes().privatesuffix(name) == name)


def _ascii(text: str) -> str:
    prefix, base = (WILDCARD, text.removeprefix(WILDCARD)) if text.startswith(WILDCARD) else ("", text)
    try:
        return prefix + idna.encode(base, uts46=True, std3_rules=True).decode().lower()
    except idna.IDNAError as error:
        raise Invalid(
            f"{printable(text)} is not a domain: {_reason(error)}.", "Write a domain of yours, such as www.example.com."
        ) from None


def _reason(error: idna.IDNAError) -> str:
    """Return what is wrong, in ASCII: a domain may hold letters that look like others."""
    text = str(error).encode("ascii", "backslashreplace").decode().rstrip(".")
    return text[:1].lower() + text[1:]


@cache
def _suffixes() -> PublicSuffixList:
    """Return the suffixes under which registries sell names. Those of companies are left out: whoever owns one can prove it."""
    return PublicSuffixList(only_icann=True)
