"""Settings of earlier versions."""

import pytest
import yaml

from stages.core.errors import InputError
from stages.core.folder.manifest import differences, leaves
from stages.core.old_settings import ANY, REMOVED, held_values, modernised
from stages.core.recipe import Recipe, dump, load
from stages.core.recipe.load import parse

KEYS = {key: value for key, value in leaves(REMOVED) if value is not ANY}


def nested(key: str, value: object) -> dict:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


@pytest.mark.parametrize(("key", "value"), KEYS.items(), ids=KEYS)
def test_a_removed_field_may_have_the_value_that_holds_now_and_no_other(key: str, value: object):
    for each in held_values(value):
        assert parse(nested(key, each), "old.yaml") == Recipe()
    with pytest.raises(
        InputError, match=rf"old\.yaml: '{key}' was removed: it can only be .* now, not 12345; leave it"
    ):
        parse(nested(key, 12345), "old.yaml")


def test_a_removed_field_that_decided_nothing_may_have_any_value():
    assert parse({"train": {"micro_batch": 12345}}, "old.yaml") == Recipe()
    made = {"format": 2, "inputs": {}, "settings": {"train": {"micro_batch": 8, "kl": 0.04}}}
    assert differences(made, made | {"settings": {"train": {"kl": 0.04}}}) == ""


def test_a_removed_field_on_the_command_line_is_named():
    with pytest.raises(InputError, match=r"'games\.placement\.gap' was removed: it can only be 0\.25 now, not 0\.3"):
        load("tiny", ["games.placement.gap=0.3"])


def test_no_field_that_exists_counts_as_removed():
    body = yaml.safe_load(dump(Recipe()))
    assert modernised(body) == {key: value for key, value in body.items() if value != {}}


def test_a_folder_made_with_a_removed_field_is_of_the_same_settings_if_it_had_the_value_that_holds():
    made = {"format": 2, "inputs": {}, "settings": {"games": {"pairs": 3, "light_jitter": 1.0}}}
    now = {"format": 2, "inputs": {}, "settings": {"games": {"pairs": 3}}}
    assert differences(made, now) == ""
    made["settings"]["games"]["light_jitter"] = 0.5
    assert differences(made, now) == "games.light_jitter was 0.5, is now absent"


@pytest.mark.parametrize(("before", "now"), [("paper", "paper"), ("code", "released-code")])
def test_rewards_have_another_name_now(before: str, now: str):
    assert parse({"score": {"decision_reward": before}}, "old.yaml").score.rewards == now
    made = {"format": 2, "inputs": {}, "settings": {"score": {"decision_reward": before}}}
    assert differences(made, made | {"settings": {"score": {"rewards": now}}}) == ""
    with pytest.raises(InputError, match=r"unknown key 'score\.decision_reward'"):
        parse({"score": {"decision_reward": before, "rewards": now}}, "mixed.yaml")


def test_groups_without_variance_were_a_switch():
    assert parse({"filter": {"no_variance": True}}, "old.yaml").filter.no_variance == "renormalise"
    assert parse({"filter": {"no_variance": False}}, "old.yaml").filter.no_variance == "keep"


def test_a_field_that_is_new_and_null_makes_no_difference():
    made = {"format": 2, "inputs": {}, "settings": {"games": {"pairs": 3}}}
    assert differences(made, made | {"settings": {"games": {"pairs": 3, "new": None}}}) == ""
    assert differences(made, made | {"settings": {"games": {"pairs": 3, "new": 0}}}) == "games.new was absent, is now 0"


@pytest.mark.parametrize("part", ["charts", "ready"])
def test_settings_of_charts_and_ready_pictures_decide_nothing_for_drawn_scenes(part: str):
    now = {"format": 2, "inputs": {}, "settings": Recipe().settings("games")}
    assert part not in now["settings"]["games"]
    games = {**now["settings"]["games"], part: {"kinds": ["bar"]}}
    assert differences({**now, "settings": {**now["settings"], "games": games}}, now) == ""


def test_how_charts_are_drawn_counts_for_charts():
    one, other = (load("paper", ["games.domain=chart", f"games.charts.kinds=[{kind}]"]) for kind in ("bar", "pie"))
    assert one.settings("games") != other.settings("games")
