"""Values in URLs that no log may have."""

import re
from collections.abc import Collection
from urllib.parse import unquote_plus

from skypanel.domain.errors import Invalid
from skypanel.domain.names import printable

MASK = "[masked]"
MAX_NAMES = 100
DEFAULT_NAMES = "apikey,auth,authorization,code,credential,jwt,key,passwd,password,pwd,secret,session,sig,signature,token"

_NAME = re.compile(r"[a-z0-9]{1,40}")
_SEPARATOR = re.compile("([&;])")
# What separates the words of a name: access_token, X-Amz-Signature, user[password], apiKey.
_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+")


def read_names(text: str) -> str:
    """Parse names of parameters, separated by commas. Raises Invalid."""
    names = [name for part in text.split(",") if (name := part.strip().lower())]
    for name in names:
        if not _NAME.fullmatch(name):
            raise Invalid(f"{printable(name)} is not a word.", "Write words of letters and digits, separated by commas: token,password")
    if len(names) > MAX_NAMES:
        raise Invalid("These are too many names.", f"Write at most {MAX_NAMES}.")
    return ",".join(dict.fromkeys(names))


def masked(path: str, names: Collection[str]) -> str:
    """Return a path and its query, without the values of parameters that have one of `names` as a word of theirs."""
    before, mark, query = path.partition("?")
    return before + mark + "".join(_masked(part, names) for part in _SEPARATOR.split(query))


def _masked(parameter: str, names: Collection[str]) -> str:
    name, equals, value = parameter.partition("=")
    return f"{name}={MASK}" if equals and value and _is_secret(unquote_plus(name), names) else parameter


def _is_secret(name: str, names: Collection[str]) -> bool:
    words = {word.lower() for word in _WORD.findall(name)}
    return name.lower() in names or re.sub("[^a-z0-9]", "", name.lower()) in names or not words.isdisjoint(names)
