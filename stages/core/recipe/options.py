"""Options that a recipe passes to other libraries: none contains a secret or makes a library run code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stages.core.printing.secret_values import secret_in

# Options of transformers and vLLM that name code: code in the model's repository, a class, a module or a plugin.
_CODE = re.compile(
    r"trust_remote_code|code_revision|auto_map|custom_pipelines|custom_generate|middleware|_cls$|_plugin$"
    r"|^(kv|ec|weight)_transfer_config$"
)


def without_secrets_or_code(options: dict[str, Any]) -> dict[str, Any]:
    """The options, unchanged. `ValueError` for one that looks like a key or a password, or that would run code."""
    if key := secret_in(options):
        raise ValueError(
            f"'{key}' looks like a key or a password, and manifests would store it: put server keys in an environment "
            "variable, and allow it with VZ_KEYS (docs/engines.md)"
        )
    if name := _code_in(options):
        raise ValueError(
            f"'{name}' makes a library run code that the recipe names, which vz does not allow; leave it out"
        )
    return options


def kernel_here(attention: str | dict[str, str] | None) -> str | dict[str, str] | None:
    """transformers' `attn_implementation`, unchanged. `ValueError` for a kernel from the hub."""
    for name in attention.values() if isinstance(attention, dict) else [attention]:
        if name is not None and "/" in name:
            raise ValueError(
                f"'{name}' is code on the hub, which vz does not run; install a kernel and name it, such as "
                "flash_attention_2, or use sdpa"
            )
    return attention


def _code_in(value: Any) -> str | None:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if inner not in (None, False) and _CODE.search(str(name)):
                return str(name)
    inner_values = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return next(filter(None, map(_code_in, inner_values)), None)
