"""Which API key goes to which server.

A recipe may come from a stranger. If the recipe alone decided, it could send any environment variable to its author's
host. So the user says which key goes where, in the environment variable `VZ_KEYS`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from stages.core.errors import InputError
from stages.core.recipe.served import check_url, origin

ALLOWED = "VZ_KEYS"  # NAME=ADDRESS, separated by commas or spaces
BY_DEFAULT = ("OPENAI_API_KEY", "https://api.openai.com")  # the host that issues these keys
FORM = f"{ALLOWED}='NAME=https://host', where NAME is the environment variable with the key"


@dataclass(frozen=True)
class Key:
    """An API key, or an empty string. `variable` is its environment variable, if the user or the recipe names one."""

    variable: str | None
    value: str = field(repr=False)


def key_for(url: str, wanted: str | None = None) -> Key:
    """The key that the user allows for the server at `url`; if there are several, the one in the variable `wanted`.

    `InputError` if the key in `wanted` is not allowed for this server.
    """
    here = [name for name, place in _allowed() if origin(place) == origin(url)]
    if wanted is None:
        return _read(here[0]) if here else Key(None, "")
    if wanted not in here and os.environ.get(wanted):
        raise InputError(
            f"rollout.server.key_variable: the recipe names {wanted}, but you have not allowed its key to go to {url}; "
            f"if you trust that server with it, set the environment variable {how_to_allow(url, wanted)}"
        )
    return _read(wanted)


def how_to_allow(url: str, variable: str = "MY_KEY") -> str:
    """The assignment that allows the key in `variable` to go to the server at `url`."""
    scheme, host, port = origin(url)
    usual = {"http": 80, "https": 443}[scheme] == port
    name = f"[{host}]" if host and ":" in host else host
    return f"{ALLOWED}={variable}={scheme}://{name}{'' if usual else f':{port}'}"


def _allowed() -> list[tuple[str, str]]:
    """The variable and address of each key that vz may send."""
    found = []
    for number, entry in enumerate(os.environ.get(ALLOWED, "").replace(",", " ").split(), 1):
        name, sign, place = entry.partition("=")
        try:  # messages never quote the entry, which may be a key put there by mistake
            if not sign or not name.isidentifier():
                raise ValueError
            found.append((name, check_url(place if "://" in place else f"https://{place}")))
        except ValueError:
            raise InputError(f"environment variable {ALLOWED}: write entry {number} as {FORM}") from None
    return [*found, BY_DEFAULT]


def _read(variable: str) -> Key:
    value = os.environ.get(variable, "").strip()
    if not (value.isascii() and value.isprintable()):
        raise InputError(f"the environment variable {variable} contains characters that no key has; set it again")
    return Key(variable, value)
