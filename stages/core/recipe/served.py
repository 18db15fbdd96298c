"""Addresses of served models: you can give `https://host/v1#name` wherever a recipe or an option names a model."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_served(place: object) -> bool:
    """Whether a model is given as a server's address, not as a folder or a hub name."""
    return str(place).startswith(("http://", "https://"))


def check_url(url: str) -> str:
    """`url` without a trailing slash. `ValueError` if it is not a server's address.

    vz writes addresses to manifests and tables, so it refuses one with a password.
    """
    parts = urlsplit(url)
    if "@" in parts.netloc + parts.path or parts.query:  # the message must not quote the address
        raise ValueError(
            "an address must not contain a user, password or query: put the key in an environment variable, and allow "
            "it with VZ_KEYS (docs/engines.md)"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:  # an invalid port raises
        raise ValueError(f"'{url}' is not an address; write it as http://localhost:8000/v1")
    if parts.fragment:
        raise ValueError(f"'{url}': leave out '#' and what follows; set rollout.server.model to the model's name")
    return url.rstrip("/")


def split_place(place: str) -> tuple[str, str | None]:
    """The address and the model's name, or None, in `https://host/v1#name`."""
    url, _, name = place.partition("#")
    return check_url(url), name or None


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port, which identify the server."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
