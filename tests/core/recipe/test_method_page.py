"""The page about the method names settings that exist, and the recipes say what its table says."""

from pathlib import Path

import pytest

from stages.core.recipe import load
from tests.docs.settings import check_settings

PAGE = (Path(__file__).resolve().parents[3] / "docs/method.md").read_text(encoding="utf-8")


def test_every_setting_on_the_page_exists():
    assert check_settings(PAGE) > 60


@pytest.mark.parametrize(
    ("point", "settings", "values"),
    [
        ("civilians n_c", "game.players", (5, 4)),
        ("clue rounds R", "game.clue_rounds", (2, 2)),
        ("votes per game G", "game.votes", (8, 8)),
        ("temperature", "rollout.temperature", (1.0, 0.8)),
        ("longest answer", "rollout.max_vote_tokens", (512, 1024)),
        ("shortest answer", "rollout.min_vote_tokens", (0, 100)),
        ("repetition penalty", "rollout.vote_repetition_penalty", (1.0, 1.1)),
        ("decision reward", "score.rewards", ("paper", "released-code")),
        ("α of the role baselines", "score.alpha", (0.95, 0.9)),
        ("groups without variance", "filter.no_variance", ("keep", "keep")),
        ("KL weight τ, estimator", "train.kl", (0.04, 0.04)),
        ("iterations", "iterate.rounds", (100, 280)),
        ("rule", "iterate.switching", ("adaptive", "cycle")),
    ],
)
def test_recipes_are_as_the_table_says(point: str, settings: str, values: tuple[object, object]):
    assert f"| {point} |" in PAGE
    section, field = settings.split(".")
    for names, value in zip((("paper", "paper-v1"), ("released-code",)), values, strict=True):
        for name in names:
            assert getattr(getattr(load(name), section), field) == value, name
