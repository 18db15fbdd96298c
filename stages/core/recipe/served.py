"""Addresses of served models: `https://host/v1#name` may be given wherever a recipe or an option names a model."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_served(place: object) -> bool:
    """Whether a model is given by a server's address, not by a folder or a hub name."""
    return str(place).startswith(("http://", "https://"))


def check_url(url: str) -> str:
    """`url` without a slash at its end. `ValueError` if it is not a server's address.

    Addresses are written to manifests and tables, so one with a password is refused.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc + parts.path or parts.query:  # the address is not quoted
        raise ValueError(
            "an address must not hold a user, password or query: put the key into an environment variable, and allow "
            "it with VZ_KEYS (docs/engines.md)"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:  # an invalid port raises
        raise ValueError(f"'{url}' is not an address; write it as http://localhost:8000/v1")
    if parts.fragment:
        raise ValueError(f"'{url}': leave out '#' and what follows; set rollout.server.model to the model's name")
    return url.rstrip("/")


def split_place(place: str) -> tuple[str, str | None]:
    """(address, name of the model there or None) of `https://host/v1#name`."""
    url, _, name = place.partition("#")
    return check_url(url), name or None


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port, which identify the server."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
