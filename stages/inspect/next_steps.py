"""What to run next, for each kind of output folder. Every command works as it is in the current folder, or names the
extra that it needs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.core.errors import InputError, VzError
from stages.core.folder import artifact
from stages.core.folder.files import read_json
from stages.core.pages.run_files import flat, round_folder
from stages.core.recipe.load import place_of
from stages.core.yaml_text import read_yaml
from stages.inspect.kinds import SIDES, Output, rounds_of
from stages.inspect.pairs import games_folder

Steps = dict[str, str]  # what each command does, by command


def first_steps() -> Steps:
    """Steps for a place without any output."""
    return {
        "vz doctor": "check that everything vz needs is installed",
        "vz make-games --out games --pairs 60": "draw pairs of pictures, and deal a game on each",
        f"vz iterate --rounds 24 --out {_free(Path('runs/demo'))}": "play and train round after round, with a tiny "
        "model on a CPU",
    }


def steps_for(output: Output) -> Steps:
    """What to do with an output that is finished or being written. Nothing if its manifest says too little."""
    try:
        return STEPS[output.stage](output.folder) if output.stage in STEPS else {}
    except (VzError, OSError, KeyError, TypeError):
        return {}


def to_continue(run: Path) -> Steps:
    """The command that continues a run. Nothing if the run cannot continue from this folder."""
    try:
        recipe = flat(read_yaml(run / "recipe.yaml"))
        place_of(str(recipe["model.path"]))
        games = games_folder(run)
    except (InputError, KeyError):
        return {}
    played = "" if games == run.resolve() / "games" else f" --games {_shown(games)}"
    file, (done, wanted) = _shown(run / "recipe.yaml"), rounds_of(run)
    return {f"vz iterate --recipe {file}{played} --out {_shown(run)}": f"continue after round {done} of {wanted}"}


def to_read(folder: Path) -> Steps:
    """The first game of a folder with played games."""
    return {f"vz inspect {_shown(folder)} --game 1": "read the first game"}


def _after_games(games: Path) -> Steps:
    settings = artifact.manifest_of(games)["settings"].get("games", {})
    is_tiny = settings.get("layout") == "grid" and settings.get("domain") in (None, "clevr")
    recipe, model = ("tiny", "the tiny model") if is_tiny else ("lora", "a 7B model, on one GPU")
    here, run = _shown(games), _free(games.parent / "runs" / recipe)
    return {
        f"vz inspect {here} --gallery {_beside(games, 'gallery.html')}": "see the pairs side by side",
        f"vz rollout {here} --recipe {recipe} --out {_beside(games, 'rollouts')}": f"let {model} play the games",
        f"vz iterate --recipe {recipe} --games {here} --out {run}": f"play and train round after round, with {model}",
    }


def _after_rollouts(rollouts: Path) -> Steps:
    score = f"vz score {_shown(rollouts)} --out {_beside(rollouts, 'scored')}"
    return {**to_read(rollouts), score: "turn votes into rewards and advantages"}


def _after_score(scored: Path) -> Steps:
    here, phase = _shown(scored), artifact.manifest_of(scored)["settings"]["phase"]
    kept = _beside(scored, "kept")
    return {**to_read(scored), f"vz filter {here} --phase {phase} --out {kept}": "choose the rows that train"}


def _after_filter(kept: Path) -> Steps:
    rollouts = artifact.input_of(artifact.input_of(kept, "scored"), "rollouts")
    played_by = Path(artifact.manifest_of(rollouts)["inputs"]["policy current"]["path"]).name
    recipe, which = ("", "") if played_by == "tiny-model" else (" --recipe RECIPE", ", with the RECIPE that played")
    train = f"vz train {_shown(kept)}{recipe} --out {_beside(kept, 'checkpoint')}"
    return {f"vz inspect {_shown(kept)}": "see what trains, and why the rest does not", train: f"train{which}"}


def _after_train(checkpoint: Path) -> Steps:
    games, here = artifact.input_of(checkpoint, "games"), _shown(checkpoint)
    play, out = f"vz evaluate {_shown(games)} --model {here}", _beside(checkpoint, "evaluation")
    if not any(checkpoint.glob("*.safetensors")):  # a run does not save the weights of every round
        return {}
    return {
        f"{play}{_recipe_of(checkpoint.parent.parent)} --out {out}": "play it against its base, on unseen pictures",
        **_benchmark(checkpoint, _beside(checkpoint, "benchmark")),
        f"vz export {here} --to model --out {_beside(checkpoint, 'model')}": "make a model that loads anywhere",
    }


def _after_run(run: Path) -> Steps:
    """How to look at a run so far, and what to do with its last checkpoint."""
    here, done = _shown(run), rounds_of(run)[0]
    if not done:
        return {f"vz view {here}": "watch its first round in your browser"}
    steps = {
        f"vz view {here}": "watch curves and every game in your browser",
        f"vz report {here}": "write one page with curves and a few games",
        f"vz inspect {_shown(round_folder(run, done))} --game 1": f"read a game of round {done}",
    }
    if read_json(run / "state.json").get("checkpoint"):
        play, out = f"vz evaluate {_shown(games_folder(run))} --model {here}", _beside(run, f"{run.name}-evaluation")
        steps[f"{play}{_recipe_of(run)} --out {out}"] = "play it against its base, on unseen pictures"
        steps |= _benchmark(run, _beside(run, f"{run.name}-benchmark"))
    return steps


def _benchmark(model: Path, out: str) -> Steps:
    run = model if (model / "recipe.yaml").is_file() else model.parent.parent
    command = f"vz benchmark {_shown(model)}{_recipe_of(run)} --suite quick --out {out}"
    return {command: "compare it with its base on published benchmarks"}


def _after_benchmark(benchmark: Path) -> Steps:
    """Exporting the model puts the table into its card, if the benchmark is of the run's own model."""
    model = artifact.input_of(benchmark, "model")
    out = _beside(benchmark, "model")
    command = f"vz export {_shown(model)} --to model --results {_shown(benchmark)} --out {out}"
    return {f"vz inspect {_shown(benchmark)}": "see every answer", command: "make a model with this table in its card"}


def _after_evaluation(evaluation: Path) -> Steps:
    steps, side = {f"vz inspect {_shown(evaluation)}": "see all figures"}, evaluation / SIDES[0]
    return steps | ({f"vz inspect {_shown(side)} --game 1": "read one of its games"} if side.is_dir() else {})


def _after_model(model: Path) -> Steps:
    run = _free(model.resolve().parent / "runs" / model.resolve().name)
    taught = artifact.manifest_of(model)["settings"]["init_model"].get("language_model")
    command = f"vz iterate --recipe {'smollm2' if taught else 'tiny'} --model {_shown(model)} --out {run}"
    return {command: "play and train round after round from this model"}


def _after_export(export: Path) -> Steps:
    is_model = artifact.manifest_of(export)["settings"].get("to") == "model"
    kind = "" if is_model else " --repo-type dataset"
    upload = {f"hf upload OWNER/NAME {_shown(export)} .{kind} --exclude {artifact.MANIFEST}": "put it on the hub"}
    return _benchmark(export, _beside(export, f"{export.resolve().name}-benchmark")) | upload if is_model else upload


def _of_adapter(adapter: Path) -> Steps:
    """Steps for an adapter, which names its own base."""
    here = _shown(adapter)
    return {
        **_benchmark(adapter, _beside(adapter, "benchmark")),
        f"vz export {here} --to model --out {_beside(adapter, 'model')}": "merge it into its base",
    }


def _of_model(model: Path) -> Steps:
    here, run = _shown(model), _free(Path("runs", model.resolve().name))
    out = _beside(model, "benchmark")
    return {
        f"vz benchmark {here} --base BASE --suite quick --out {out}": "compare it with BASE, which it was trained "
        "from, on published benchmarks",
        f"vz iterate --recipe lora --model {here} --out {run}": "train it by self-play, on one GPU",
    }


STEPS: dict[str, Callable[[Path], Any]] = {
    "make-games": _after_games,
    "rollout": _after_rollouts,
    "score": _after_score,
    "filter": _after_filter,
    "train": _after_train,
    "iterate": _after_run,
    "evaluate": _after_evaluation,
    "benchmark": _after_benchmark,
    "init-model": _after_model,
    "export": _after_export,
    "adapter": _of_adapter,
    "model": _of_model,
}


def _recipe_of(run: Path) -> str:
    """The option that names a run's recipe, if the folder is a run."""
    recipe = run / "recipe.yaml"
    return f" --recipe {_shown(recipe)}" if recipe.is_file() else ""


def _beside(folder: Path, name: str) -> str:
    """The path, as shown, of a new folder or file next to `folder`."""
    return _free(folder.resolve().parent / name)


def _free(place: Path) -> str:
    """The path in a form for commands, with a number added if it is taken."""
    number, free = 2, place
    while free.exists():
        free, number = place.with_name(f"{place.stem}-{number}{place.suffix}"), number + 1
    return _shown(free)


def _shown(place: Path) -> str:
    """A path in a form for commands: relative if it is in the current folder or next to it."""
    relative = os.path.relpath(place)
    return shlex.quote(str(place.resolve()) if relative.startswith("../../") else relative)
