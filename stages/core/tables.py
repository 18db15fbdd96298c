"""The tables that stages exchange: name, type and order of every column, checked on every read and write.

A completion's key is always (`game_id`, `turn`, `sample`). All tables are Parquet with zstd.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import polars.exceptions

from stages.core.clock import clock
from stages.core.errors import InputError, first_line
from stages.core.folder.files import replace_file
from stages.core.panics import without_panic_text

Schema = dict[str, pl.DataType]

KEY = ["game_id", "turn", "sample"]

CHANGE = pl.Struct({"object": pl.Int32(), "attribute": pl.String(), "before": pl.String(), "after": pl.String()})
MESSAGE = pl.Struct({"role": pl.String(), "content": pl.List(pl.Struct({"type": pl.String(), "text": pl.String()}))})

PAIRS: Schema = {
    "pair_id": pl.String(),
    "domain": pl.String(),  # clevr, chart, photo, picture (of no known kind)
    "original": pl.String(),  # path of the civilians' picture, relative to the games folder
    "modified": pl.String(),  # the spy's picture; null where only blank spies are possible
    "original_sha256": pl.String(),
    "modified_sha256": pl.String(),
    "changes": pl.List(CHANGE),
    "scene": pl.String(),  # JSON text: what was drawn, scene or chart; null for photos
    "modified_scene": pl.String(),
    "source": pl.String(),
    "seed": pl.Int64(),
    "split": pl.String(),  # train, dev, test
}

SKIPPED: Schema = {
    "pair_id": pl.String(),
    "source": pl.String(),
    "reason": pl.String(),  # in a few words
    "detail": pl.String(),
}

# Pairs that a policy cannot play, left out of a rollout, an evaluation or a run.
UNPLAYABLE: Schema = {
    "pair_id": pl.String(),
    "picture": pl.String(),  # relative to the games folder
    "tokens": pl.Int32(),  # of the longest prompt with it; null where the processor refuses the picture
    "reason": pl.String(),  # prompt too long, picture refused
    "detail": pl.String(),
}

GAMES: Schema = {
    "game_id": pl.String(),
    "pair_id": pl.String(),
    "iteration": pl.Int32(),
    "players": pl.Int32(),
    "clue_rounds": pl.Int32(),
    "spy": pl.Int32(),  # seat, from 1
    "spy_view": pl.String(),  # modified, blank
    "seed": pl.Int64(),
}

# The policies of the games in a deal, if they differ from the recipe's.
SEATS: Schema = {
    "game_id": pl.String(),
    "civilian": pl.String(),
    "spy": pl.String(),
    "analyst": pl.String(),
}

ROLLOUTS: Schema = {
    "game_id": pl.String(),
    "turn": pl.Int32(),
    "sample": pl.Int32(),
    "phase": pl.String(),  # clue, decision
    "clue_round": pl.Int32(),  # from 1; null for votes
    "player": pl.Int32(),  # seat, from 1; null for the analyst
    "role": pl.String(),  # civilian, spy, analyst
    "policy": pl.String(),
    "policy_version": pl.String(),
    "prompt": pl.List(MESSAGE),
    "images": pl.List(pl.String()),  # paths relative to the games folder, in the prompt's order
    "prompt_tokens": pl.Int32(),
    "prompt_sha256": pl.String(),  # of the prompt's token ids; null if the server did not return them
    "completion": pl.String(),
    "completion_ids": pl.List(pl.Int32()),  # including the stop token; empty if unknown, like the log-probs
    "completion_logprobs": pl.List(pl.Float32()),  # of the sampled tokens, at the sampling temperature
    "finish_reason": pl.String(),  # stop, length
    "thought": pl.String(),  # private thought in the completion, closed or cut off; null if there is none
    "clue": pl.String(),  # as the others see it; null for votes
    "vote": pl.Int32(),  # the seat voted for; null unless vote_kind is seat
    "vote_kind": pl.String(),  # seat, na, unreadable; null for clues
    "seed": pl.Int64(),
    "sampler": pl.String(),  # what computed it, e.g. "vllm bfloat16"
}

PANDAS_INDEX = "__index_level_0__"  # which pandas adds when it writes selected rows
# Columns that folders from earlier versions lack; they are read as null.
LATER = {"thought", "sampler", "judge_own", "judge_civilians", "judge_reply"}

# The start model's answers to prompts outside the game.
OUTSIDE: Schema = {
    "prompt_id": pl.String(),
    "kind": pl.String(),  # question, text
    "policy_version": pl.String(),
    "prompt": pl.List(MESSAGE),
    "images": pl.List(pl.String()),  # paths relative to the games folder; none for a prompt without a picture
    "prompt_tokens": pl.Int32(),
    "prompt_sha256": pl.String(),  # of the prompt's token ids
    "completion": pl.String(),
    "completion_ids": pl.List(pl.Int32()),  # including the stop token
    "completion_logprobs": pl.List(pl.Float32()),  # of the sampled tokens, at the sampling temperature
    "finish_reason": pl.String(),  # stop, length
    "seed": pl.Int64(),
    "sampler": pl.String(),
}

SCORED: Schema = {
    "game_id": pl.String(),
    "turn": pl.Int32(),
    "sample": pl.Int32(),
    "phase": pl.String(),
    "role": pl.String(),
    "reward": pl.Float64(),
    "reward_parts": pl.Struct({"accuracy": pl.Float64(), "format": pl.Float64(), "zero_sum": pl.Float64()}),
    "baseline": pl.Float64(),  # clue: the role's; decision: the group's mean
    "advantage": pl.Float64(),
    "group_id": pl.String(),
    "votes_received": pl.Float64(),  # clue rows: votes for this seat
    "correct": pl.Boolean(),  # decision rows: the vote names the spy
    "truncated": pl.Boolean(),
}

SCORED_GAMES: Schema = {
    "game_id": pl.String(),
    "spy": pl.Int32(),
    "votes": pl.List(pl.Float64()),  # by seat, seat 1 first
    "na_votes": pl.Int32(),
    "unreadable_votes": pl.Int32(),
    "cast_votes": pl.Int32(),
    "winner": pl.String(),  # civilians, spy
    "acc": pl.Boolean(),  # the spy alone has the most votes
    "na": pl.Float64(),  # share of N/A among the votes cast
}

KEPT: Schema = dict(SCORED)
REJECTED: Schema = {**SCORED, "reason": pl.String()}
# Rows left out because they barely move the policy, or not at all. They still count in the mean of the policy term.
NO_VARIANCE, SMALL_ADVANTAGE = "no variance in the group", "small advantage"

# Tables of an evaluation: games between two policies, their votes on the same transcripts, the evaluated policy's
# clues, and both policies' answers to transfer questions.
ARENA: Schema = {
    "game_id": pl.String(),
    "pair_id": pl.String(),
    "side": pl.String(),  # the evaluated policy's: civilians, spy
    "winner": pl.String(),  # civilians, spy
    "won": pl.Boolean(),  # by the evaluated policy
    "votes_right": pl.Float64(),  # share of the votes cast that name the spy
    "na": pl.Float64(),
    "unreadable": pl.Float64(),
}

VOTES: Schema = {
    "game_id": pl.String(),
    "turn": pl.Int32(),  # the voter's
    "pair_id": pl.String(),
    "policy": pl.String(),  # current, opponent
    "greedy": pl.Boolean(),  # true: the likeliest vote; false: a sampled one
    "sample": pl.Int32(),
    "completion": pl.String(),
    "tokens": pl.Int32(),
    "vote": pl.Int32(),
    "vote_kind": pl.String(),  # seat, na, unreadable
    "correct": pl.Boolean(),
}

CLUES: Schema = {
    "game_id": pl.String(),
    "turn": pl.Int32(),
    "pair_id": pl.String(),
    "role": pl.String(),  # civilian, spy
    "clue": pl.String(),
    "tokens": pl.Int32(),
    "own": pl.Boolean(),  # the checker finds it true of the speaker's own picture; null: not judged
    "civilians": pl.Boolean(),  # the checker finds it true of the civilians' picture; null: not judged
    "why": pl.String(),  # why the checker cannot judge it against the civilians' picture; empty if it can
    "judge_own": pl.Boolean(),  # the same from the judge model; null: it cannot tell, or there is no judge
    "judge_civilians": pl.Boolean(),
    "judge_reply": pl.String(),  # about the civilians' picture: true, false, cannot tell, unreadable; null: not asked
    "copied": pl.Boolean(),  # someone gave the same clue earlier in the game
    "readable": pl.Boolean(),
}

ANSWERS: Schema = {
    "question_id": pl.String(),
    "pair_id": pl.String(),
    "picture": pl.String(),
    "kind": pl.String(),  # exist, count, query, compare
    "question": pl.String(),
    "answer": pl.String(),  # the right one
    "chance": pl.Float64(),  # 1 / number of possible answers
    "policy": pl.String(),  # current, opponent
    "given": pl.String(),  # null: no readable boxed answer
    "correct": pl.Boolean(),
}

# Table of a benchmark: a policy's answers to questions of lmms-eval tasks.
BENCHMARK_ANSWERS: Schema = {
    "task": pl.String(),
    "question_id": pl.Int64(),  # its number in the task
    "question_sha256": pl.String(),  # of its text and right answer
    "prompt": pl.String(),
    "target": pl.String(),  # the right answer
    "answer": pl.String(),
    "tokens": pl.Int32(),  # of the answer; 0 if the server does not report them
    "cut": pl.Boolean(),  # the answer reached the length limit
    "metric": pl.String(),
    "score": pl.Float64(),  # as reported by lmms-eval: in [0, 1] or [0, 100]
}


def check(frame: pl.DataFrame, schema: Schema, where: object) -> pl.DataFrame:
    """`frame` with its columns in the schema's order. `InputError` names the first wrong column."""
    for name, wanted in schema.items():
        if name not in frame.columns:
            raise InputError(f"{where}: column '{name}' is missing; was the file written by another version of vz?")
        if frame.schema[name] != wanted:
            raise InputError(f"{where}: column '{name}' is {frame.schema[name]}, but must be {wanted}")
    extra = [name for name in frame.columns if name not in schema]
    if extra:
        raise InputError(f"{where}: column '{extra[0]}' does not belong here; drop it")
    return frame.select(list(schema))


def from_rows(rows: list[dict[str, object]], schema: Schema) -> pl.DataFrame:
    """A table from dictionaries, with the types of the schema."""
    chats = [name for name, kind in schema.items() if kind == pl.List(MESSAGE)]  # JSON is five times faster for these
    others = {name: kind for name, kind in schema.items() if name not in chats}
    texts = [pl.Series(name, [json.dumps(row.get(name)) for row in rows], pl.String()) for name in chats]
    decoded = [text.str.json_decode(schema[text.name]) for text in texts]
    return pl.DataFrame(rows, schema=others, strict=True).with_columns(decoded).select(list(schema))


@clock.part("writing tables")
def write(frame: pl.DataFrame, path: Path, schema: Schema) -> None:
    """Check the table, and write it in one step that survives a power cut."""
    temporary = path.with_name(f".{path.name}.tmp")
    check(frame, schema, path).write_parquet(temporary, compression="zstd")
    replace_file(temporary, path)


@clock.part("reading tables")
def read(path: Path, schema: Schema, columns: list[str] | None = None) -> pl.DataFrame:
    """Read and check a table, or some of its columns. `InputError` names the file and what is wrong."""
    wanted = schema if columns is None else {name: schema[name] for name in columns}
    present = stored_columns(path, schema)
    stored = [name for name in wanted if name in present]
    with readable(path):
        frame = _as_in_schema(pl.read_parquet(path, columns=stored, hive_partitioning=False, glob=False), schema, path)
        lacking = (pl.lit(None, kind).alias(name) for name, kind in wanted.items() if name not in present)
        return frame.with_columns(lacking).select(list(wanted))


def stored_columns(path: Path, schema: Schema) -> Schema:
    """The columns of a file, checked. Columns in `LATER` may be missing, and numbers may have other types."""
    with readable(path):
        with path.open("rb") as file:
            present = dict(pl.read_parquet_schema(file))
        known = {
            name: schema[name] if name in schema and _holds_the_same(kind, schema[name]) else kind
            for name, kind in present.items()
            if name != PANDAS_INDEX
        }
        later = {name: schema[name] for name in LATER & schema.keys() - present.keys()}
        check(pl.DataFrame(schema={**known, **later}), schema, path)
        return present


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn errors from reading a table into one `InputError` that names it."""
    try:
        with without_panic_text():
            yield
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such table; run the stage that makes it first") from error
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({first_line(error)}); make it again") from error


def _holds_the_same(kind: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether a column of another type may have the wanted values: pandas changes types of numbers and null columns."""
    if isinstance(kind, pl.List) and isinstance(wanted, pl.List):
        return _holds_the_same(kind.inner, wanted.inner)  # type: ignore[arg-type]
    if isinstance(kind, pl.Struct) and isinstance(wanted, pl.Struct):
        inner, parts = dict(kind), dict(wanted)
        return inner.keys() == parts.keys() and all(_holds_the_same(inner[name], parts[name]) for name in parts)  # type: ignore[arg-type]
    return kind in (wanted, pl.Null()) or (kind.is_numeric() and wanted.is_numeric())


def _as_in_schema(frame: pl.DataFrame, schema: Schema, where: object) -> pl.DataFrame:
    """The columns, cast to the schema's types. `InputError` if a number would change."""
    rounded = [name for name, kind in frame.schema.items() if kind.is_float() and schema[name].is_integer()]
    frame = frame.with_columns(pl.col(rounded).fill_nan(None))  # pandas writes nulls among whole numbers as NaN
    cast = frame.cast({name: schema[name] for name in frame.columns}, strict=True)
    for name in rounded:
        if not cast[name].cast(frame.schema[name]).equals(frame[name]):
            raise InputError(f"{where}: column '{name}' contains fractions, but must be {schema[name]}")
    return cast


def read_parts(folder: Path, schema: Schema, columns: list[str] | None = None) -> pl.DataFrame:
    """All `part-*.parquet` of a table as one."""
    return pl.concat([read(part, schema, columns) for part in parts_of(folder)])


def parts_of(folder: Path) -> list[Path]:
    """The `part-*.parquet` of a table, sorted by name. `InputError` if there are none."""
    parts = sorted(folder.glob("part-*.parquet"))
    if not parts:
        raise InputError(f"{folder}: contains no part-*.parquet; is it a folder of rollouts?")
    return parts


def unique_key(frame: pl.DataFrame, key: list[str], where: object) -> pl.DataFrame:
    """Returns `frame`. If two rows share a key, an `InputError` names it."""
    twice = frame.filter(frame.select(key).is_duplicated())
    if len(twice):
        raise InputError(f"{where}: two rows with the key {dict(zip(key, twice.select(key).row(0), strict=True))}")
    return frame
