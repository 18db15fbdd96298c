"""Which values of a recipe decide a stage's result, and which may change between a kill and going on."""

import pytest

from stages.core.errors import InputError
from stages.core.recipe import load


@pytest.mark.parametrize("deterministic", ["true", "false"])
@pytest.mark.parametrize(
    ("override", "decides"),
    [
        ("rollout.save_seconds=1", False),
        ("rollout.vllm.max_requests=3", False),
        ("rollout.vllm.gpu_memory=0.5", False),
        ("rollout.vllm.options={quantization: fp8}", True),
        ("rollout.temperature=0.3", True),
        ("rollout.max_prompt_tokens=5000", False),
        ("rollout.executor.workers=2", False),
        ("rollout.server.limit_field=max_completion_tokens", False),
        ("train.logprob_gap_limit=2", False),
        ("train.effective_tokens_limit=0.1", False),
        ("rollout.unplayable=skip", False),
        ("train.learning_rate=2", True),
        ("games.processes=3", False),
        ("games.charts.label=Town", False),  # no charts are drawn
        ("games.strict=true", False),
        ("games.ready.max_side=290", False),  # no ready pictures are read
        ("iterate.rounds=7", False),
        ("iterate.keep_every=2", False),
        ("iterate.games=7", True),
        ("evaluate.every=5", False),
        ("evaluate.games=8", True),
        ("model.path=elsewhere", False),
        ("model.chat_template=other.jinja", False),
        ("model.dtype=float16", True),
        ("game.prompts=standard", False),
        ("game.votes=3", True),
    ],
)
def test_what_a_result_depends_on(override: str, decides: bool, deterministic: str):
    section = override.split(".", maxsplit=1)[0]
    one, other = (load("tiny", [f"deterministic={deterministic}", *more]) for more in ((), (override,)))
    assert (one.settings(section) != other.settings(section)) == decides


@pytest.mark.parametrize(
    "override",
    ["rollout.batch_size=3", "rollout.concurrent_games=3", "train.tokens_per_batch=3", "train.processes=2",
     "train.share_prefixes=false", "train.accelerate_config=file.yaml", "train.gradient_checkpointing=true", "model.device=cuda",
     "model.attention=eager"],
)  # fmt: skip
def test_what_decides_the_last_bits_counts_only_where_they_are_promised(override: str):
    section = override.split(".", maxsplit=1)[0]
    for deterministic in (True, False):
        one, other = (load("tiny", [f"deterministic={deterministic}", *more]) for more in ((), (override,)))
        assert (one.settings(section) != other.settings(section)) == deterministic


def test_the_shortest_answer_is_no_longer_than_the_longest():
    with pytest.raises(InputError, match="min_vote_tokens is 7, but max_vote_tokens is 6"):
        load("tiny", ["rollout.min_vote_tokens=7"])


@pytest.mark.parametrize(
    ("option", "remedy"),
    [
        ("logprobs_mode: raw_logprobs", "those at the sampling temperature"),
        ("dtype: half", "set model.dtype"),
        ("max_num_seqs: 9", "set rollout.vllm.max_requests"),
    ],
)
def test_an_option_that_the_recipe_decides_is_refused(option: str, remedy: str):
    with pytest.raises(InputError, match=f"'{option.split(':', maxsplit=1)[0]}' cannot be set here: .*{remedy}"):
        load("tiny", [f"rollout.vllm.options={{{option}}}"])
