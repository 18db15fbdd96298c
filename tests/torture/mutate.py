"""Making good files bad: bytes, JSON and YAML values, and tables."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

HUGE = "9" * 5000  # more digits than Python turns into a number
DEEP = 2500

# Values that a reader does not expect; none needs more than some kilobytes.
EVIL: list[Any] = [
    None, True, False, 0, -1, 1, 3.5, -0.0, 1e308, math.inf, -math.inf, math.nan, 2**31, 2**63, 2**64, -(2**63) - 1,
    "", " ", "x" * 10_000, "nan", "1e999", "null", "\x1b[31mred\x1b[0m\x07", "\x00", "\u202eabc", "é" * 300, "a\nb\r\nc",
    "../../../etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/mem", "/", ".", "nowhere/at/all", "file.py", "hf:a/b",
    "{{ 7 * 7 }}", "{% for i in range(10**9) %}x{% endfor %}", "%s%n", "$(touch code-was-run)", "2024-13-45", "12:61:99",
    [], {}, [[]], [None], {"": None}, {"a": {"b": {"c": 1}}}, [1] * 1000, ["x"] * 3, {"path": "/dev/zero"},
]  # fmt: skip


def spoil(data: bytes, dice: Random) -> tuple[str, bytes]:
    """The bytes of a file after something happened to them, and what that was."""
    if not data:
        return "filled", dice.randbytes(100)
    place = dice.randrange(len(data))
    how = dice.choice(
        ["truncated", "truncated", "flipped", "flipped", "zeroed", "emptied", "noise", "doubled", "inserted"]
    )
    length = dice.choice([1, 16, 512, 4096, len(data)])
    match how:
        case "truncated":
            return f"cut off after {place} bytes", data[:place]
        case "flipped":
            return f"bit flipped in byte {place}", data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[
                place + 1 :
            ]
        case "zeroed":
            zeros = bytes(min(length, len(data) - place))
            return f"{len(zeros)} zeros at {place}", data[:place] + zeros + data[place + len(zeros) :]
        case "emptied":
            return "emptied", b""
        case "noise":
            noise = dice.randbytes(min(length, len(data) - place, 1 << 20))
            return f"noise at {place}", data[:place] + noise + data[place + len(noise) :]
        case "doubled":
            return "written twice", data + data
        case _:
            return f"bytes inserted at {place}", data[:place] + dice.randbytes(min(length, 4096)) + data[place:]


def change(value: Any, dice: Random) -> Any:
    """A value like this one, in which something is replaced, removed, renamed, or of another type."""
    places = list(_places(value))
    for _ in range(dice.choice([1, 1, 1, 2, 5])):
        if not places:
            return dice.choice(EVIL)
        holder, key = dice.choice(places)
        if isinstance(holder, dict) and key not in holder:
            continue
        if isinstance(holder, list) and key >= len(holder):
            continue
        _change_at(holder, key, dice)
    return value


def _change_at(holder: Any, key: Any, dice: Random) -> None:
    how = dice.randrange(10)
    if how == 0:
        del holder[key]
    elif how == 1 and isinstance(holder, dict):
        holder[dice.choice(["", "x", str(key) + "s", str(key).upper(), "__class__", "\x1b[2J"])] = holder.pop(key)
    elif how == 2 and isinstance(holder, dict):
        holder[f"more {dice.randrange(9)}"] = dice.choice(EVIL)
    elif how == 3 and isinstance(holder, list):
        holder.extend([holder[key]] * dice.choice([1, 100]))
    elif how == 4:
        holder[key] = [holder[key]]
    elif how == 5 and isinstance(holder[key], int | float):
        holder[key] = dice.choice([-holder[key], holder[key] + 0.5, holder[key] * 10**6, str(holder[key])])
    else:
        holder[key] = dice.choice(EVIL)


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        keys = each.keys() if isinstance(each, dict) else range(len(each)) if isinstance(each, list) else ()
        found += [(each, key) for key in keys]
        waiting += [each[key] for key in keys]
    return found


def json_text(text: str, dice: Random) -> bytes:
    """A JSON text that says something else, or is no JSON any more."""
    how = dice.randrange(10)
    if how < 6:
        return json.dumps(change(json.loads(text), dice)).encode("utf-8", "replace")
    if how == 6:
        return _in_words(text, dice, [HUGE, f"-{HUGE}", "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP, "1e99999",
                                      "NaN", '"\\ud800"', '"\\u0000"', "0x10", "'x'", "//", "1,"])  # fmt: skip
    if how == 7:
        return dice.choice([b"\xff\xfe", b"\xef\xbb\xbf", b"\x00" * 64]) + text.encode()
    return spoil(text.encode(), dice)[1]


def yaml_text(text: str, dice: Random) -> bytes:
    """A YAML text that says something else, or is no YAML any more."""
    import yaml

    how = dice.randrange(12)
    if how < 5:
        body = change(yaml.safe_load(text), dice)
        return yaml.safe_dump(body, sort_keys=False, allow_unicode=True).encode("utf-8", "replace")
    lines = text.splitlines()
    line = dice.randrange(len(lines))
    if how == 5:  # a section or a key twice
        return "\n".join([*lines, *lines[line : line + dice.choice([1, 4])]]).encode()
    if how == 6:
        return text.encode() + dice.choice(
            [laughs(dice.randint(3, 9)), b"\nextra: &a [*a]\n", b"\n<<: [1, 2]\n", b"\n--- \nx: 1\n"]
        )
    if how < 10:
        return _in_words(text, dice, [
            HUGE, "2024-13-45", "2024-02-30", "0001-01-01", "10000-01-01", "12:61:99", "[" * DEEP, "{a: " * 500, "&a [*a, *a]",
            "!!python/object/apply:os.system [touch code-was-run]", "!!binary x", "!!int a", "!!float []", "!unknown x", "? a",
            "*nowhere", "&x", "| \n  a", "0o9", "0b2", "1_000", "0x", ".nan", ".inf", "-.inf", "~", "=", "<<", "@", "`", "\t", "%",
            "{? [a]: b}", "!!set {a}", "!!timestamp 99", "'\\x1b[2J'", '"\\x1b[2J"', '"\\ud800"', "1e400", "[[1, 2]: 3]",
        ])  # fmt: skip
    return spoil(text.encode(), dice)[1]


def laughs(depth: int) -> bytes:
    """Some hundred bytes of aliases that stand for ten to the power of `depth` values."""
    lines = ['\na0: &a0 ["ha", "ha", "ha", "ha", "ha", "ha", "ha", "ha", "ha", "ha"]']
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, depth)]
    return "\n".join(lines).encode() + b"\n"


def csv_text(text: str, dice: Random) -> bytes:
    """A table as CSV with other cells, rows or columns, or what is no table."""
    cells: list[Callable[[], str]] = [
        lambda: "", lambda: '"', lambda: '"a\nb"', lambda: HUGE, lambda: "NaN", lambda: "-", lambda: "1,2,3", lambda: "1e308",
        lambda: "\x1b[31m", lambda: "x" * 5000, lambda: "1.234,5 €", lambda: "12 %", lambda: "2024-13-01", lambda: "\u202e",
        lambda: "=cmd()", lambda: str(dice.uniform(-1e12, 1e12)), lambda: str(dice.randint(1900, 2100)), lambda: "ﷺ" * 20,
    ]  # fmt: skip
    rows = [line.split(",") for line in text.splitlines()]
    how = dice.randrange(8)
    if how < 4:
        for _ in range(dice.choice([1, 3, 20])):
            row = dice.choice(rows)
            row[dice.randrange(len(row))] = dice.choice(cells)()
    elif how == 4:
        rows = [row * dice.choice([20, 200]) for row in rows]
    elif how == 5:
        rows = rows * dice.choice([20, 2000])
    elif how == 6:
        dice.shuffle(rows)
        rows = [dice.sample(row, dice.randint(0, len(row))) for row in rows]
    else:
        return spoil(text.encode(), dice)[1]
    separator = dice.choice([",", ",", ";", "\t", "|"])
    return "\n".join(separator.join(row) for row in rows).encode(dice.choice(["utf-8", "utf-8", "utf-16"]), "replace")


def parquet(file: Path, dice: Random) -> None:
    """Write a table anew: cells, columns or types are others. Or spoil its bytes."""
    import polars as pl

    how = dice.randrange(10)
    if how < 2:
        file.write_bytes(spoil(file.read_bytes(), dice)[1])
        return
    frame = pl.read_parquet(file)
    name = dice.choice(frame.columns)
    match how:
        case 2:
            frame = frame.drop(name)
        case 3:
            frame = frame.rename({name: dice.choice(["", "x", "\x1b[2J", name.upper()])})
        case 4:
            frame = frame.with_columns(pl.lit(dice.choice([None, 1, "x", 2.5])).alias(name))
        case 5:
            frame = dice.choice(
                [frame.head(0), pl.concat([frame, frame]), frame.reverse(), frame.head(1), frame.tail(-1)]
            )
        case 6:
            wanted = dice.choice(
                [pl.String(), pl.Float32(), pl.Int64(), pl.Binary(), pl.Categorical(), pl.Boolean(), pl.Date()]
            )
            frame = frame.with_columns(_of_type(frame[name], wanted))
        case _:
            frame = frame.with_columns(_other_cells(frame[name], dice))
    frame.write_parquet(file)


def _of_type(column: Any, wanted: Any) -> Any:
    """The column in another type; zeros where Polars cannot turn the one into the other."""
    import polars as pl

    try:
        return column.cast(wanted, strict=False)
    except pl.exceptions.PolarsError:
        return pl.lit(0).alias(column.name)


def _other_cells(column: Any, dice: Random) -> Any:
    """Some cells of a column replaced by another value of its type, or null."""
    import polars as pl

    kind, values = column.dtype, column.to_list()
    if kind.is_integer():
        some = [-1, 0, 2**31 - 1, -(2**31), 999, None]
    elif kind.is_float():
        some = [math.nan, math.inf, -math.inf, 1e30, 0.0, None]
    elif kind == pl.String():
        some = [
            "",
            "x" * 5000,
            "\x1b[2J",
            "../../etc/passwd",
            "/dev/zero",
            "{",
            "[" * DEEP,
            "\x00",
            "null",
            "a\nb",
            None,
        ]
    elif kind == pl.Boolean():
        some = [True, False, None]
    else:
        some = [None, [] if isinstance(kind, pl.List) else None]
    for _ in range(dice.choice([1, 1, 3, len(values)]) if values else 0):
        values[dice.randrange(len(values))] = dice.choice(some)
    return pl.Series(column.name, values, kind, strict=False)


def _in_words(text: str, dice: Random, words: list[str]) -> bytes:
    """The text with one of its words replaced."""
    parts = text.split(" ")
    parts[dice.randrange(len(parts))] = dice.choice(words)
    return " ".join(parts).encode("utf-8", "surrogatepass")
