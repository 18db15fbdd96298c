"""MkDocs hook: writes the reference pages from the code, so that they cannot go out of date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import typer
from mkdocs.structure.files import File, Files
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stages.core import tables
from stages.core.recipe import Recipe, load
from vzcli.main import app


def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages to the site."""
    pages = {"commands": commands(), "recipe": recipe_fields(), "tables": table_columns()}
    for name, lines in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content="\n".join(lines)))
    return files


def commands() -> Iterator[str]:
    """Every command with its help text and a table of its options."""
    yield "# Commands\n"
    yield "`vz <command> --help` prints the same.\n"
    yield from _command("vz", typer.main.get_command(app))


def _command(name: str, command: Any) -> Iterator[str]:
    below = getattr(command, "commands", {})
    if not below:
        yield f"## {name}\n\n{command.help}\n"
        yield "| option | default | meaning |\n|---|---|---|"
        for option in command.params:
            spelled = ", ".join(f"`{each}`" for each in option.opts if each.startswith("-")) or f"`{option.name}`"
            default = "" if option.default in (None, False, ()) or callable(option.default) else f"`{option.default}`"
            yield f"| {spelled} | {default} | {_cell(getattr(option, 'help', '') or '')} |"
        yield ""
    for key, inner in below.items():
        yield from _command(f"{name} {key}", inner)


def recipe_fields() -> Iterator[str]:
    """Every field of a recipe: its type, its value in the recipes that a run starts from, and its description."""
    yield "# Recipe fields\n"
    yield "Set a field in a recipe file, or with `--set section.field=value`.\n"
    shown = {name: load(name) for name in ("paper", "tiny")}
    top = {name: field for name, field in Recipe.model_fields.items() if not _is_section(field)}
    yield from _fields("", top, shown)
    for name, field in Recipe.model_fields.items():
        if _is_section(field):
            yield f"\n## {name}\n"
            inner = {key: getattr(each, name) for key, each in shown.items()}
            yield from _fields("", dict(field.annotation.model_fields), inner)


def _fields(prefix: str, fields: dict[str, FieldInfo], shown: dict[str, Any]) -> Iterator[str]:
    yield "| field | " + " | ".join(f"`{name}`" for name in shown) + " | meaning |"
    yield "|---" * (len(shown) + 2) + "|"
    yield from _rows(prefix, fields, shown)


def _rows(prefix: str, fields: dict[str, FieldInfo], shown: dict[str, Any]) -> Iterator[str]:
    for name, field in fields.items():
        key = f"{prefix}{field.alias or name}"
        values = {recipe: getattr(section, name, None) for recipe, section in shown.items()}
        if _is_section(field):
            yield from _rows(f"{key}.", dict(field.annotation.model_fields), values)
        else:
            cells = " | ".join(f"`{_cell(_yaml(value))}`" for value in values.values())
            yield f"| `{key}` | {cells} | {_cell(field.description or '')} |"


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _yaml(value: Any) -> str:
    names = {None: "null", True: "true", False: "false"}
    return names[value] if isinstance(value, bool) or value is None else str(value)


def table_columns() -> Iterator[str]:
    """Every column of every table, with its type, from the definitions that readers check."""
    yield "# Table columns\n"
    yield "[Read the tables](../tables.md) says what each table is for. All are Parquet with zstd.\n"
    for name, schema in vars(tables).items():
        if (
            name.isupper()
            and isinstance(schema, dict)
            and all(isinstance(kind, pl.DataType) for kind in schema.values())
        ):
            yield f"\n## {name.lower()}\n\n| column | type |\n|---|---|"
            yield from (f"| `{column}` | `{_cell(str(kind))}` |" for column, kind in schema.items())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
