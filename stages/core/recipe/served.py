"""Addresses of served models: `https://host/v1#name` may stand wherever a recipe or an option names a model."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_served(place: object) -> bool:
    """Whether a model's place is a server's address rather than a folder or a hub name."""
    return str(place).startswith(("http://", "https://"))


def check_url(url: str) -> str:
    """`url` without a slash at its end; `ValueError` for what is no server's address.

    Addresses are written into manifests and tables, so one with a password in it is refused.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:  # a port that is none raises
        raise ValueError(f"'{url}' is no address; write it as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query:
        raise ValueError(
            f"an address holds no user, password or query (at {parts.hostname}): keys come from the environment "
            "variable that rollout.server.key_variable names"
        )
    if parts.fragment:
        raise ValueError(f"'{url}': here the address ends before '#'; the model's name is rollout.server.model")
    return url.rstrip("/")


def split_place(place: str) -> tuple[str, str | None]:
    """(address, name of the model there or None) of `https://host/v1#name`."""
    url, _, name = place.partition("#")
    return check_url(url), name or None


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: who it is that one speaks to."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
