import pytest

from stages.core.errors import InputError
from stages.core.game.prompting import render_prompt
from stages.core.game.rules import Clue, Transcript, Turn, deal
from stages.core.recipe.game import Game


def prompt_text(rules: Game, turn: Turn, transcript: Transcript, domain: str = "clevr") -> str:
    game = deal(["a"], 1, rules, seed=1, iteration=1)[0]
    (message,) = render_prompt(game, domain, rules, turn, transcript)
    kinds = [part["type"] for part in message["content"]]
    assert message["role"] == "user" and kinds.count("image") == 1
    return "\n".join(part["text"] or "<picture>" for part in message["content"])


CLUES = Transcript([Clue(1, 1, "There is a red cube.", "secret one"), Clue(2, 1, "A blue ball.", "secret two")])
CIVILIAN = Turn(6, "clue", "civilian", 2, 2, 1)
SPY = Turn(6, "clue", "spy", 2, 2, 1)
VOTE = Turn(8, "decision", "analyst", None, None, 8)


def test_a_clue_prompt_holds_all_that_the_rules_ask():
    text = prompt_text(Game(players=4), CIVILIAN, CLUES)
    for needed in ("4 players", "You are player 2", "round 2 of 2", "CIVILIAN", "punished", "two objects are replaced",
                   "nobody has named", 'player 1: "There is a red cube."', "\\boxed{There is"):  # fmt: skip
        assert needed in text


def test_a_spy_is_told_to_infer_and_not_to_repeat():
    text = prompt_text(Game(players=4), SPY, CLUES)
    assert "You are the SPY" in text and "repeats nobody" in text and "CIVILIAN." not in text


def test_a_vote_prompt_holds_all_that_the_rules_ask():
    text = prompt_text(Game(players=4), VOTE, CLUES)
    for needed in (
        "4 players",
        "civilians' picture",
        "vague or misleading",
        "costs less than a wrong vote",
        "\\boxed{N/A}",
    ):
        assert needed in text
    assert "SPY" not in text


def test_thoughts_are_seen_by_their_own_seat_only():
    text = prompt_text(Game(players=4), CIVILIAN, CLUES)
    assert "secret two" in text and "secret one" not in text
    assert "secret" not in prompt_text(Game(players=4, own_thoughts=False), CIVILIAN, CLUES)
    assert "secret" not in prompt_text(Game(players=4), VOTE, CLUES)


def test_domains_differ_in_words():
    rules = Game(players=4)
    assert "values are swapped" in prompt_text(rules, CIVILIAN, CLUES, "chart")
    assert "photograph" in prompt_text(rules, CIVILIAN, CLUES, "photo")
    assert "picture is empty" in prompt_text(Game(players=4, spy_view="blank"), SPY, CLUES)
    with pytest.raises(InputError, match="no words for the domain 'movie'"):
        prompt_text(rules, CIVILIAN, CLUES, "movie")


def test_the_fixed_part_and_the_picture_come_before_the_transcript():
    early = prompt_text(Game(players=4), CIVILIAN, Transcript(CLUES.clues[:1]))
    late = prompt_text(Game(players=4), CIVILIAN, CLUES)
    shared = early[: early.index("There is a red cube.")]
    assert "<picture>" in shared and late.startswith(shared)


def test_an_unknown_prompt_set_is_named():
    with pytest.raises(InputError, match="game.prompts: 'none' is neither one of"):
        prompt_text(Game(prompts="none"), CIVILIAN, CLUES)


def test_the_compact_set_says_the_same_in_few_words():
    text = prompt_text(Game(players=4, prompts="compact", own_thoughts=False), CIVILIAN, CLUES)
    assert len(text.split()) < 40 and "There is a red cube." in text


def test_a_set_without_a_place_for_thoughts_refuses_them():
    with pytest.raises(InputError, match="set game.own_thoughts=false"):
        prompt_text(Game(players=4, prompts="compact", own_thoughts=True), CIVILIAN, CLUES)
