"""Strict reading of YAML settings: plain data, each key once, in little time and memory.

YAML allows more than a recipe needs. A repeated key silently replaces the first one, a few hundred bytes of aliases
expand to gigabytes, and an unquoted date becomes an object. Here, dates are read as text. Errors refuse the rest, and
name the line and a remedy.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import yaml
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import AliasEvent, CollectionStartEvent, NodeEvent, ScalarEvent
from yaml.nodes import Node, ScalarNode, SequenceNode

from stages.core.errors import InputError, shortened

MOST_BYTES = 64 * 2**10  # fifteen times the longest recipe; PyYAML reads this much in a second or two
DEEPEST = 50  # levels of nested lists and mappings
LONGEST_NUMBER = 80  # characters; Python refuses to parse thousands of digits
PLAIN = ("null", "bool", "int", "float")  # what text without quotation marks can be, besides text


def read_yaml(path: Path) -> dict[str, Any]:
    """The keys and values of a YAML file; none if it is empty. `InputError` names the file, the line and a remedy."""
    try:
        with path.open("rb") as file:
            body = parse_yaml(file.read(MOST_BYTES + 1), str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); is it the right file, and yours?") from error
    if body is not None and not isinstance(body, dict):
        raise InputError(
            f"{path}: must contain keys with values, such as 'seed: 1', but contains a {type(body).__name__}"
        )
    return body or {}


def parse_yaml(data: str | bytes, where: str) -> Any:
    """The value of a YAML text from any source. `InputError` names `where`, the line and a remedy."""
    if len(data) > MOST_BYTES:
        raise InputError(f"{where}: is longer than {MOST_BYTES // 2**10} KiB; is it the right file?")
    try:
        return _value(data.decode("utf-8") if isinstance(data, bytes) else data)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(f"{where}: line {line} is not UTF-8; save the file as UTF-8 text") from error
    except _Fault as error:
        raise InputError(f"{where}: line {error.line}: {error}") from error


def _value(text: str) -> Any:
    reader = None
    try:
        reader = _Reader(text)
        node = reader.get_single_node()
        return None if node is None else reader.value(node)
    except MarkedYAMLError as error:
        problem = " ".join(filter(None, (error.problem, error.context)))
        line = getattr(error.problem_mark or error.context_mark, "line", 0)
    except (YAMLError, ValueError, OverflowError) as error:  # for characters that YAML or Python does not accept
        problem = str(error)
        line = text.count("\n", 0, getattr(error, "position", 0)) if reader is None else reader.line
    raise _Fault(f"not YAML ({shortened(problem)}); correct it", line)


class _Fault(Exception):
    """A fault in a settings file, with its remedy and its line, counted from 0."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.line = line + 1


def _fault(problem: str, at: Node | NodeEvent) -> _Fault:
    return _Fault(problem, 0 if at.start_mark is None else at.start_mark.line)


class _Reader(yaml.SafeLoader):
    """PyYAML's loader, except that it refuses what does not belong in settings as soon as it finds it."""

    depth = 0
    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in known if tag.rpartition(":")[2] in PLAIN]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise _fault(
                "anchors (&name) and aliases (*name) are not supported; write the value out, or quote it", event
            )
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            raise _fault("tags (!name) are not supported; write a plain value, or quote it", event)
        if self.depth == DEEPEST:
            raise _fault(f"lists or mappings are nested more than {DEEPEST} deep; flatten them", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def value(self, node: Node) -> Any:
        """Plain data: dictionaries with texts as keys, lists, texts, numbers, booleans and None."""
        if isinstance(node, SequenceNode):
            return [self.value(inner) for inner in node.value]
        if isinstance(node, ScalarNode):
            return self.scalar(node)
        found: dict[str, Any] = {}
        for key, inner in node.value:
            name = self.scalar(key) if isinstance(key, ScalarNode) else None
            if not isinstance(name, str):
                raise _fault("a key must be text; put it in quotation marks", key)
            if name in found:
                raise _fault(f"'{shortened(name)}' is given twice; merge the two, or remove one", key)
            found[name] = self.value(inner)
        return found

    def scalar(self, node: ScalarNode) -> Any:
        if any(unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\t\n" for letter in node.value):
            raise _fault("the text contains a control character or half a character; remove it", node)
        is_number = node.tag.endswith(":int")
        try:
            value = self.construct_object(node) if not is_number or len(node.value) <= LONGEST_NUMBER else 2**63
        except ValueError as error:
            raise _fault(f"not a number ({shortened(str(error))}); correct it, or quote it", node) from error
        if is_number and abs(value) >= 2**63:
            raise _fault("the number needs more than 64 bits; write a smaller one, or quote it", node)
        return value
