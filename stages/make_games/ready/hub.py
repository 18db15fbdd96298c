"""Data sets of the Hugging Face hub: downloaded once, then read as a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from stages.core.errors import InputError, VzError, require
from stages.core.folder.disk import is_full
from stages.make_games.ready.archives import unpacked
from stages.make_games.ready.entry import one_line

PREFIX = "hf:"
EXTRA = "hub"
NAME = re.compile(r"hf:(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[^:\s]+))?(:(?P<split>[\w.-]+))?")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Got:
    """A data set on this machine. `label` names it with its commit; links in it may lead anywhere below `root`."""

    folder: Path
    root: Path
    name: str
    label: str
    split: str | None


def fetch(where: str) -> Got:
    """Download `hf:OWNER/NAME[@REVISION][:SPLIT]`, or find it in the hub's cache; archives in it are unpacked there.

    `InputError` says what is off with the name; `VzError` that the hub cannot be reached, and the way round it.
    """
    match = NAME.fullmatch(where)
    if match is None:
        raise InputError(f"{where}: write a data set of the hub as hf:OWNER/NAME, hf:OWNER/NAME@REVISION or …:SPLIT")
    name, revision, split = match["name"], match["revision"], match["split"]
    snapshot = Path(_download(where, name, revision, split))
    if not COMMIT.fullmatch(snapshot.name):
        raise VzError(f"{snapshot}: the hub's library put {name} where no commit can be read; give that folder instead")
    root = snapshot.parents[1]  # the links in a snapshot lead to blobs/ beside snapshots/
    label = f"{PREFIX}{name}@{snapshot.name}" + (f":{split}" if split else "")
    return Got(unpacked(snapshot, root / "unpacked" / snapshot.name), root, name, label, split)


def _download(where: str, name: str, revision: str | None, split: str | None) -> str:
    library = require("huggingface_hub", EXTRA)
    patterns = None
    if split:
        patterns = [f"{start}{split}{end}" for start in ("", "*/") for end in ("-*.parquet", "/*.parquet", ".parquet")]
    try:
        return str(library.snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=patterns))
    except Exception as error:  # the classes depend on the library's HTTP client; told apart below
        raise _explained(error, where, name, revision, require("huggingface_hub.errors", EXTRA)) from error


def _explained(error: Exception, where: str, name: str, revision: str | None, kinds: ModuleType) -> VzError:
    page = f"https://huggingface.co/datasets/{name}"
    if isinstance(error, kinds.GatedRepoError):
        return InputError(f"{where}: asks for consent first: accept its terms at {page}, then run `hf auth login`")
    if isinstance(error, kinds.RepositoryNotFoundError):
        return InputError(f"{where}: no such data set; see {page}, and run `hf auth login` first if it is private")
    if isinstance(error, kinds.RevisionNotFoundError):
        return InputError(f"{where}: has no revision '{revision}'; see {page}/tree/main for those there are")
    if isinstance(error, OSError) and is_full(error):
        return VzError(f"{where}: the disk is full; free some space, or set HF_HOME to a folder on another disk")
    why = f"{where}: cannot be downloaded ({type(error).__name__}: {one_line(error)})"
    command = f"hf download {name} --repo-type dataset --local-dir FOLDER"
    return VzError(f"{why}; where there is a network, run `{command}`, and give that folder with --from FOLDER")
