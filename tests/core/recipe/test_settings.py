"""Which values of a recipe decide a stage's result, and which may change between a kill and going on."""

import pytest

from stages.core.errors import InputError
from stages.core.recipe import load


@pytest.mark.parametrize("deterministic", ["true", "false"])
@pytest.mark.parametrize(
    ("override", "decides"),
    [
        ("rollout.repeated_warning=0.9", False),
        ("rollout.truncated_warning=0.9", False),
        ("rollout.save_every=1", False),
        ("rollout.vllm.max_requests=3", False),
        ("rollout.vllm.gpu_memory=0.5", False),
        ("rollout.vllm.options={quantization: fp8}", True),
        ("rollout.temperature=0.3", True),
    ],
)
def test_what_a_result_depends_on(override: str, decides: bool, deterministic: str):
    one, other = (load("tiny", [f"deterministic={deterministic}", *more]) for more in ((), (override,)))
    assert (one.settings("rollout") != other.settings("rollout")) == decides


def test_the_shortest_answer_is_no_longer_than_the_longest():
    with pytest.raises(InputError, match="min_vote_tokens is 7, but max_vote_tokens is 6"):
        load("tiny", ["rollout.min_vote_tokens=7"])


@pytest.mark.parametrize(
    ("option", "remedy"),
    [
        ("logprobs_mode: raw_logprobs", "those of the sampling temperature"),
        ("dtype: half", "set model.dtype"),
        ("max_num_seqs: 9", "set rollout.vllm.max_requests"),
    ],
)
def test_an_option_that_the_recipe_decides_is_refused(option: str, remedy: str):
    with pytest.raises(InputError, match=f"'{option.split(':', maxsplit=1)[0]}' is not an option here: .*{remedy}"):
        load("tiny", [f"rollout.vllm.options={{{option}}}"])
