from pathlib import Path

import polars as pl
import pytest

from stages import outside
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError
from stages.core.recipe import load
from tests.helpers import fake_recipe, write_games

SMALL = ["outside.prompts=20", "outside.questions=0.5"]


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_games(tmp_path_factory.mktemp("outside") / "games", fake_recipe(), count=10, scenes=True)


def answers(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "outside.parquet")


def test_half_are_questions_and_half_are_texts_on_training_pictures(games: Path, tmp_path: Path):
    report = outside.run(fake_recipe(*SMALL), games, tmp_path / "out")
    found = answers(report.out)
    assert report.counts["questions"] == report.counts["texts"] == 10 and len(found) == 20
    assert found["prompt_id"].n_unique() == 20
    pairs = pl.read_parquet(games / "pairs.parquet").filter(split="train")
    shown = found["images"].explode().drop_nulls()
    assert set(shown) <= {*pairs["original"], *pairs["modified"]}
    assert 10 < len(shown) < 20  # some texts show a picture, some do not
    for row in found.iter_rows(named=True):
        marks = [part["type"] for message in row["prompt"] for part in message["content"]].count("image")
        assert marks == len(row["images"])


def test_the_seed_decides_prompts_and_answers(games: Path, tmp_path: Path):
    tables = [
        (outside.run(fake_recipe(*SMALL, f"seed={seed}"), games, tmp_path / name).out / "outside.parquet").read_bytes()
        for name, seed in (("one", 0), ("same", 0), ("other", 1))
    ]
    assert tables[0] == tables[1] != tables[2]


def test_texts_of_your_own(games: Path, tmp_path: Path):
    file = tmp_path / "texts.txt"
    file.write_text("What is the capital of Peru?\n\nSay what you see: <image>\n")
    report = outside.run(
        fake_recipe("outside.prompts=4", "outside.questions=0", f"outside.texts={file}"), games, tmp_path / "out"
    )
    said = [
        "".join(part["text"] or "<image>" for part in message["content"])
        for prompt in answers(report.out)["prompt"]
        for message in prompt
    ]
    assert sorted(said) == ["Say what you see:<image>"] * 2 + ["What is the capital of Peru?"] * 2
    file.write_text("Another prompt")
    with pytest.raises(InputError, match="other texts"):
        outside.run(
            fake_recipe("outside.prompts=4", "outside.questions=0", f"outside.texts={file}"), games, tmp_path / "out"
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [("\n \n", "holds no prompt"), ("fine\n<image> and <image>", r"texts.txt, line 2: a prompt shows at most one picture"), (None, "is not a file")],
)  # fmt: skip
def test_bad_texts_are_named(games: Path, tmp_path: Path, text: str | None, message: str):
    file = tmp_path / "texts.txt"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=message):
        outside.run(fake_recipe(*SMALL, f"outside.texts={file}"), games, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_scenes_all_are_texts_and_the_report_says_so(tmp_path: Path):
    games = write_games(tmp_path / "games", fake_recipe(), count=4)
    report = outside.run(fake_recipe(*SMALL), games, tmp_path / "out")
    assert report.counts["texts"] == 20
    assert report.warnings == ["the training pictures allow only 0 of 10 questions; the other prompts are texts"]


def test_a_greedy_recipe_and_too_few_answers_are_refused(games: Path, tmp_path: Path):
    with pytest.raises(InputError, match="temperature is 0"):
        outside.run(fake_recipe(*SMALL, "rollout.temperature=0"), games, tmp_path / "out", engine=FakeEngine())
    with pytest.raises(InputError, match=r"outside_rows is 30, but outside.prompts is only 20: raise outside.prompts"):
        load("tiny", [*SMALL, "train.outside_rows=30"])
