"""Uploads an exported folder to the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from stages.core.errors import InputError, VzError, first_line, require
from stages.core.folder.artifact import MANIFEST

Kind = Literal["model", "dataset"]
NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
EXTRA = "hub"


def check_push(name: str) -> None:
    """`InputError` if this machine cannot upload to the hub as `name`."""
    if not NAME.fullmatch(name):
        raise InputError(f"--push {name}: write it as OWNER/NAME, with your name or your organisation's on the hub")
    hub = require("huggingface_hub", EXTRA)
    if require("huggingface_hub.constants", EXTRA).is_offline_mode():
        raise InputError(f"--push {name}: HF_HUB_OFFLINE is set, so nothing can be uploaded; unset it")
    if hub.get_token() is None:
        raise InputError(f"--push {name}: needs a token with write access; run `hf auth login`, or set HF_TOKEN")


def push(folder: Path, name: str, kind: Kind, *, public: bool = False) -> str:
    """Upload everything in `folder` except the manifest, which names local folders. Returns the page's address.

    A new repository is private unless `public`. An existing one stays as it is.
    """
    check_push(name)
    hub = require("huggingface_hub", EXTRA)
    try:
        page = hub.create_repo(name, repo_type=kind, private=not public, exist_ok=True)
        hub.upload_folder(
            folder_path=folder,
            repo_id=name,
            repo_type=kind,
            ignore_patterns=[MANIFEST],
            commit_message="Exported by vz",
        )
    except (OSError, ValueError, require("huggingface_hub.errors", EXTRA).HTTPError) as error:
        raise VzError(
            f"--push {name}: the upload failed: {first_line(error)}; repeat the command, which only uploads again"
        ) from error
    return str(page)
