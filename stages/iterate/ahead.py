"""Playing ahead (`iterate.play_ahead`): the games of the next round are played while this one trains.

They are played with the weights from before that training, so the rows of round n come from the policy after round
n − 2: one step off-policy. Training divides by their stored log-probs (`train.ratio`). Everything else stays the same:
folders, seeds, and what a kill costs. A round is finished when it has trained and the next one's games are played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

from stages.core import vlm
from stages.core.engines import Engine
from stages.core.errors import InputError
from stages.core.folder.artifact import MANIFEST
from stages.core.folder.content import content_hash
from stages.core.folder.manifest import input_hashes, manifest_of
from stages.core.recipe import Recipe
from stages.core.recipe.load import prompt_files
from stages.iterate.opponents import CURRENT
from stages.iterate.round import Played, Round
from stages.iterate.training import Training
from stages.train.accelerate_file import spread_of


@contextmanager
def meanwhile(engine: Engine, play: Callable[[], Played]) -> Iterator[Future[Played]]:
    """Play in another thread while the block runs. If the block fails, playing stops; finished games are kept."""
    with ThreadPoolExecutor(1, "vz-ahead") as thread:
        playing = thread.submit(play)
        try:
            yield playing
        except BaseException:
            while not playing.done():  # it may be between two calls of the engine
                engine.interrupt()
                wait([playing], timeout=0.1)
            raise


def player(this: Round, training: Training) -> int:
    """The round that made the policy that plays this one.

    A run that plays ahead may find neither games nor weights of that policy, as after an edit of the prompts. Then the
    current policy plays.
    """
    if not this.recipe.iterate.play_ahead:
        return this.number - 1
    wanted = max(0, this.number - 2)
    return wanted if training.has(wanted) or _has_played(this, training.policy(wanted)) else this.number - 1


def _has_played(this: Round, policy: str | Path) -> bool:
    """Whether this policy has played the round's games with the current prompts."""
    rollouts = this.folder / "rollouts"
    if not (rollouts / MANIFEST).is_file():
        return False
    wanted = {f"policy {CURRENT}": policy, **prompt_files(this.recipe)}
    made = input_hashes(manifest_of(rollouts))
    return all(Path(place).exists() and made.get(name) == content_hash(place) for name, place in wanted.items())


def check_apart(recipe: Recipe) -> None:
    """`InputError` if engine and trainer would share a GPU. On a CPU they share its cores."""
    if not recipe.iterate.play_ahead or recipe.rollout.executor.spreads or recipe.train.trainer == "stub":
        return
    if recipe.rollout.engine == "fake" or vlm.device_of(recipe.model).type != "cuda":
        return
    playing, training = _gpus_of_engine(recipe), _gpus_of_trainer(recipe)
    if shared := sorted(playing & training):
        named = ", ".join(map(str, shared))
        raise InputError(
            f"iterate.play_ahead: engine and trainer would both use GPU {named} at the same time; give the trainer "
            f"others, with gpu_ids in the file that train.accelerate_config names (the engine uses the first "
            f"{len(playing)}: rollout.vllm.data_parallel), or set iterate.play_ahead=false"
        )


def _gpus_of_engine(recipe: Recipe) -> set[int]:
    """The engine takes the first GPUs: one, or what vLLM's copies and their parts need, which may be all."""
    if recipe.rollout.engine != "vllm":
        return {0}
    import torch

    parts, gpus = recipe.rollout.vllm.tensor_parallel, torch.cuda.device_count()
    return set(range(parts * (recipe.rollout.vllm.data_parallel or max(1, gpus // parts))))


def _gpus_of_trainer(recipe: Recipe) -> set[int]:
    """The GPUs that the accelerate file names, or the first ones."""
    named = spread_of(recipe).gpu_ids
    if named == "all":
        return set(range(recipe.train.processes))
    return {int(number) for number in named.split(",")}
