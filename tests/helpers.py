"""What many tests need: the fast recipe, a games folder without a renderer, rollouts written by hand."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from PIL import Image

from stages.core import tables
from stages.core.clevr import change_objects, sample_scene
from stages.core.clevr.scene_json import to_json
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome
from stages.core.game.rules import deal
from stages.core.recipe import Recipe, load
from stages.core.recipe.game import Game
from stages.core.seeds import rng

# The whole loop without a model: scripted answers, a trainer that only counts.
FAKE = ["rollout.engine=fake", "train.trainer=stub", "game.prompts=standard", "rollout.max_clue_tokens=100"]
FAKE += ["rollout.max_vote_tokens=100", "game.clue_rounds=1", "evaluate.every=0", "iterate.preflight=0"]
# Without the tiny recipe's remedies: what they do has tests of its own.
FAKE += ["filter.inactive_phase=drop", "score.clue_scale=none", "iterate.clue_votes=null", "score.votes_worth=null"]


def manifest_of_stage(stage: str, **parts: object) -> dict[str, object]:
    """The least manifest of an output, with these parts."""
    nothing = {"settings": {}, "inputs": {}, "counts": {}, "warnings": [], "timings": {}, "outputs": {}}
    return {"format": 2, "stage": stage, **nothing, "finished": "2026-11-29T12:00:00Z", **parts}


def fake_recipe(*overrides: str) -> Recipe:
    """The tiny recipe with a fake engine and a stub trainer."""
    return load("tiny", [*FAKE, *overrides])


def write_games(
    folder: Path, recipe: Recipe, count: int = 6, side: int = 24, scenes: bool = False, height: int | None = None
) -> Path:
    """A games folder of plain coloured squares, as make-games would write it; two pairs of ten are dev and test.

    With `scenes` each pair has CLEVR scenes, which the squares do not show. For a blank spy there are only originals.
    """

    def make(work: Path) -> Outcome:
        (work / "images").mkdir()
        pairs = []
        for number in range(count):
            pair_id = f"pair-{number:03d}"
            kinds = ("original",) if recipe.game.spy_view == "blank" else ("original", "modified")
            names = {kind: f"images/{pair_id}_{kind}.png" for kind in kinds}
            for shade, name in enumerate(names.values()):
                colour = (20 * number % 250, 90 * shade, (60 + number // 25) % 256)  # no two pictures alike
                Image.new("RGB", (side, height or side), colour).save(work / name)
            pairs.append(
                {
                    "pair_id": pair_id,
                    "domain": "clevr",
                    **{"modified": None, "modified_sha256": None, **names},
                    **{f"{kind}_sha256": _sha256(work / name) for kind, name in names.items()},
                    "changes": [{"object": 0, "attribute": "color", "before": "red", "after": "blue"}][
                        : len(names) - 1
                    ],
                    **(_scenes(recipe, number) if scenes else {"scene": None, "modified_scene": None}),
                    "source": "test",
                    "seed": number,
                    "split": {8: "dev", 9: "test"}.get(number % 10, "train"),
                }
            )
        ids = [str(pair["pair_id"]) for pair in pairs]
        deals = deal(ids, len(ids), recipe.game, seed=recipe.seed, iteration=0)
        tables.write(tables.from_rows(pairs, tables.PAIRS), work / "pairs.parquet", tables.PAIRS)
        tables.write(
            tables.from_rows([vars(game) for game in deals], tables.GAMES), work / "games.parquet", tables.GAMES
        )
        return Outcome({"pairs": count})

    settings = {**recipe.settings("game"), "count": count, "side": side, "height": height, "scenes": scenes}
    return artifact.produce(folder, stage="make-games", settings=settings, inputs={}, make=make).out


def _scenes(recipe: Recipe, number: int) -> dict[str, str]:
    dice = rng("test scenes", number)
    scene = sample_scene(recipe.games, dice, name=f"scene-{number}", index=number)
    changed, _ = change_objects(scene, recipe.games.changes, recipe.games.change_attributes, dice)
    return {"scene": json.dumps(to_json(scene)), "modified_scene": json.dumps(to_json(changed))}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_rollouts(
    folder: Path,
    games: dict[str, tuple[int, list[str]]],
    players: int = 4,
    clue_rounds: int = 1,
    game: dict | None = None,
) -> Path:
    """Rollouts by hand: game_id → (spy's seat, votes as "1"…, "na" or "unreadable"); clues are all alike."""

    def make(work: Path) -> Outcome:
        deals, rows = [], []
        for game_id, (spy, votes) in games.items():
            deals.append(
                {"game_id": game_id, "pair_id": "p", "iteration": 1, "players": players, "clue_rounds": clue_rounds,
                 "spy": spy, "spy_view": "modified", "seed": 1}
            )  # fmt: skip
            for turn in range(players * clue_rounds):
                seat = turn % players + 1
                role = "spy" if seat == spy else "civilian"
                rows.append(_row(game_id, turn, 0, "clue", role, seat) | {"clue": "a red cube", "clue_round": 1})
            for sample, vote in enumerate(votes):
                kind = vote if vote in {"na", "unreadable"} else "seat"
                row = _row(game_id, players * clue_rounds, sample, "decision", "analyst", None)
                rows.append(row | {"vote": int(vote) if kind == "seat" else None, "vote_kind": kind})
        tables.write(tables.from_rows(rows, tables.ROLLOUTS), work / "part-00000.parquet", tables.ROLLOUTS)
        tables.write(tables.from_rows(deals, tables.GAMES), work / "games.parquet", tables.GAMES)
        return Outcome()

    rules = Game(players=players, clue_rounds=clue_rounds, **(game or {}))
    settings = {
        "rollout": {"temperature": 1.0},
        "game": rules.model_dump(mode="json"),
        "games": {name: list(map(str, what)) for name, what in games.items()},
    }
    return artifact.produce(folder, stage="rollout", settings=settings, inputs={}, make=make).out


def _row(game_id: str, turn: int, sample: int, phase: str, role: str, player: int | None) -> dict[str, object]:
    text = "Some reasoning, long enough. \\boxed{x}"
    return {
        "game_id": game_id, "turn": turn, "sample": sample, "phase": phase, "clue_round": None, "player": player,
        "role": role, "policy": "current", "policy_version": "v", "images": ["a.png"], "prompt_tokens": 3,
        "prompt": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}], "prompt_sha256": "0",
        "completion": text, "completion_ids": [1, 2], "completion_logprobs": [-0.1, -0.2], "finish_reason": "stop",
        "clue": None, "vote": None, "vote_kind": None, "seed": 5, "sampler": "fake",
    }  # fmt: skip
