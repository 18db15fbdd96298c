from pathlib import Path

import pytest
import yaml

from stages.core.errors import InputError
from stages.core.folder.files import write_json
from stages.core.recipe import Recipe, dump, known_recipes, load
from stages.core.recipe.load import parse, resolve_model, rules_of_games
from tests.helpers import manifest_of_stage


@pytest.mark.parametrize("name", known_recipes())
def test_recipes_load_and_survive_being_written(name: str):
    recipe = load(name)
    assert parse(yaml.safe_load(dump(recipe)), "again") == recipe


@pytest.mark.parametrize("path", known_recipes().values(), ids=str)
def test_a_recipe_begins_with_the_command_that_runs_it(path):
    assert path.read_text().startswith(f"# vz iterate --recipe {path.stem}")


def test_the_paper_recipe_has_the_papers_values():
    recipe = load("paper")
    assert (recipe.game.players - 1, recipe.game.clue_rounds, recipe.game.votes) == (4, 2, 8)
    assert (recipe.score.beta, recipe.score.lambda_, recipe.score.alpha) == (0.1, 0.1, 0.95)
    i = recipe.iterate
    assert (i.rho, i.acc_high, i.err_high, i.na_high, i.na_low, i.dwell, i.patience) == (
        0.95,
        0.9,
        0.4,
        0.5,
        0.1,
        5,
        20,
    )
    assert (i.rounds, i.games, recipe.train.kl, recipe.train.learning_rate) == (100, 128, 0.04, 1e-5)
    assert (recipe.train.warmup, recipe.train.schedule, recipe.games.pairs) == (0.1, "cosine", 2000)


ADAPTER = {
    "model": {"lora", "max_pixels"},
    "train": {"learning_rate", "tokens_per_batch", "processes", "accelerate_config"},
    "iterate": {"save_every"},
}


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        ("paper-v1", {"game": {"spy_view"}}),
        ("lora", ADAPTER),
        ("qlora", {**ADAPTER, "model": {*ADAPTER["model"], "quantization"}, "rollout": {"engine", "batch_size"}}),
    ],
)
def test_a_variant_of_the_paper_differs_from_it_in_what_its_first_lines_say(name: str, differs: dict[str, set[str]]):
    paper, variant = (load(each).model_dump() for each in ("paper", name))
    found = {section: changed_keys(paper[section], variant[section]) for section in paper if section != "seed"}
    assert {section: keys for section, keys in found.items() if keys} == differs


def changed_keys(one: object, other: object) -> set[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        return {key for key in one if one[key] != other[key]}
    return set() if one == other else {"itself"}


def test_recipes_for_gpus_play_with_vllm_on_all_of_them():
    for name in sorted(known_recipes().keys() - {"tiny", "smollm2", "qlora"}):  # vLLM cannot quantize as training does
        rollout = load(name).rollout
        assert (rollout.engine, rollout.vllm.data_parallel) == ("vllm", None), name


def test_prompts_have_room_for_all_that_players_can_say():
    for name in sorted(known_recipes()):
        recipe = load(name)
        longest = min(recipe.rollout.max_clue_tokens, recipe.game.clue_chars)
        said = recipe.game.players * recipe.game.clue_rounds * longest
        assert said < recipe.rollout.max_prompt_tokens, name


def test_an_adapter_learns_ten_times_as_fast_as_all_weights():
    """As found for α = 32, whatever the rank (docs/hardware.md)."""
    for adapter in (load("lora"), load("qlora")):
        assert adapter.model.lora is not None and adapter.model.lora.alpha == 32
        assert adapter.train.learning_rate == pytest.approx(10 * load("paper").train.learning_rate)


def test_the_published_paper_has_a_blank_spy_and_its_first_version_a_modified_picture():
    assert [load(name).game.spy_view for name in ("paper", "paper-v1", "released-code")] == [
        "blank",
        "modified",
        "modified",
    ]
    differing = set(load("paper").game) ^ set(load("paper-v1").game)
    assert {name for name, _ in differing} == {"spy_view"}


def test_the_released_codes_recipe_has_its_values():
    recipe = load("released-code")
    assert (recipe.game.players - 1, recipe.score.alpha, recipe.score.rewards) == (3, 0.9, "released-code")
    assert (recipe.rollout.temperature, recipe.rollout.min_clue_tokens, recipe.rollout.min_vote_tokens) == (
        0.8,
        20,
        100,
    )
    assert (recipe.rollout.vote_repetition_penalty, recipe.rollout.max_vote_tokens) == (1.1, 1024)
    assert (recipe.iterate.switching, recipe.iterate.cycle_length, recipe.iterate.rounds) == ("cycle", 1, 280)
    assert (recipe.iterate.games, recipe.iterate.plays_per_game, recipe.score.baseline_games) == (64, 8, 8)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("game.player=4", r"unknown key 'game.player' \(did you mean 'players'\?\)"),
        ("gmae.players=4", r"unknown key 'gmae' \(did you mean 'game'\?\)"),
        ("score.lamda=1", r"did you mean 'lambda'"),
        ("rollout.temperature=hot", r"'rollout.temperature': .*valid number"),
        ("rollout.temperature=.nan", r"'rollout.temperature'"),
        ("game.players=2", r"greater than or equal to 3"),
        ("seed", r"section.key=value"),
        ("seed.more=1", r"'seed' is a value, not a section"),
    ],
)
def test_a_bad_override_is_one_clear_error(override: str, message: str):
    with pytest.raises(InputError, match=message):
        load("tiny", [override])


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'tiny'"):
        load("tinny")


def test_a_recipe_that_is_no_mapping_is_named(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("- a\n- b\n")
    with pytest.raises(InputError, match="r.yaml: must contain keys with values"):
        load(str(path))


def test_overrides_reach_their_field():
    assert load("tiny", ["score.lambda=0.3", "iterate.patience=null"]).score.lambda_ == 0.3
    assert load("tiny", ["iterate.patience=null"]).iterate.patience is None


def test_every_field_is_described():
    lines = list(Recipe().described())
    assert len(lines) > 100
    assert not [line for line in lines if line.endswith("None") and "\n    None" in line]


def test_a_run_stands_for_its_latest_checkpoint(tmp_path):
    (tmp_path / "manifest.json").write_text('{"stage": "iterate"}')
    (tmp_path / "state.json").write_text('{"checkpoint": "round-0002/checkpoint"}')
    assert resolve_model(str(tmp_path)) == str(tmp_path / "round-0002/checkpoint")
    (tmp_path / "state.json").write_text('{"checkpoint": null}')
    with pytest.raises(InputError, match="has no checkpoint yet"):
        resolve_model(str(tmp_path))


def test_what_is_no_model_is_named_at_once(tmp_path):
    with pytest.raises(InputError, match="neither an existing folder nor a hub name"):
        resolve_model("nomodel")
    (tmp_path / "manifest.json").write_text('{"stage": "rollout"}')
    with pytest.raises(InputError, match="is an output of 'rollout', not a model"):
        resolve_model(str(tmp_path))


def test_rules_that_a_recipe_leaves_open_are_those_of_the_games(tmp_path: Path) -> None:
    write_json(
        tmp_path / "manifest.json", manifest_of_stage("make-games", settings={"game": {"players": 6, "votes": 3}})
    )
    rules, own = rules_of_games(tmp_path), tmp_path / "own.yaml"
    assert rules == {"players": 6}
    assert load("lora", dealt=rules).game.players == 6
    assert load("tiny", dealt=rules).game.players == 6  # the default recipe decides nothing about given games
    assert load("tiny", ["game.players=7"], rules).game.players == 7
    own.write_text("game: {players: 8}")
    assert load(str(own), dealt=rules).game.players == 8
    assert rules_of_games(tmp_path / "none") == {}


def test_off_needs_no_quotation_marks() -> None:
    assert load("tiny", ["train.correction=off"]).train.correction == "off"  # YAML reads it as false
