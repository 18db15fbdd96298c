"""Every prompt says what a player needs, and nothing that is untrue of its game."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.game.prompting import render_prompt
from stages.core.game.rules import Clue, Deal, Turn
from stages.core.game.subject import Subject
from stages.core.recipe.game import Game

PLAYERS, SPY = 5, 2
CHANGED = "two of the objects have a different colour and shape"
SUBJECTS = {
    "scene": Subject("clevr", None, CHANGED),
    "scene, one change": Subject("clevr", None, "one of the objects has a different material"),
    "scene, change unknown": Subject("clevr"),
    "bars": Subject("chart", "bar", "two of the values are swapped"),
    "groups": Subject("chart", "grouped", "two of the values are swapped"),
    "stacks": Subject("chart", "stacked", "two of the values are swapped"),
    "lines": Subject("chart", "line", "two of the values are swapped"),
    "pie": Subject("chart", "pie", "two of the values are swapped"),
    "chart, nothing known": Subject("chart"),
    "photo": Subject("photo"),
    "any picture": Subject("picture"),
}
CLUES = [
    Clue(seat, 1, text, f"secret of {seat}")
    for seat, text in enumerate(["There is a red cube.", "A blue ball.", "x > 3", "10:30", '"quoted"'], 1)
]
SCENE = SUBJECTS["scene"]
LOOPS = "{{% for i in range(99999) %}}{{% for j in range(99999) %}}{}{{% endfor %}}{{% endfor %}}"


def prompt_text(
    turn: Turn, clues: list[Clue], subject: Subject = SCENE, *, spy: int = SPY, rules: Game | None = None
) -> str:
    rules = rules or Game(players=PLAYERS)
    game = Deal("g", "p", 0, rules.players, rules.clue_rounds, spy, rules.spy_view, 0)
    (message,) = render_prompt(game, subject, rules, turn, clues)
    kinds = [part["type"] for part in message["content"]]
    assert message["role"] == "user" and kinds.count("image") == 1
    return "\n".join(part["text"] or "<picture>" for part in message["content"])


def clue_turn(role: str, player: int, clue_round: int) -> Turn:
    return Turn((clue_round - 1) * PLAYERS + player - 1, "clue", role, player, clue_round, 1)  # type: ignore[arg-type]


def boxes(text: str) -> list[str]:
    return re.findall(r"\\boxed\{([^}]*)\}", text)


def setting(view: str, subject: Subject) -> str:
    if view == "blank":
        return "the spy's picture is blank"
    return f"in which {subject.difference}, and" if subject.difference else "may be missing, added or changed"


VIEWS, VOTERS = ("modified", "blank"), ("analyst", "civilians")
MATRIX = list(product(VIEWS, VOTERS, SUBJECTS))


@pytest.mark.parametrize(("view", "voters", "name"), MATRIX)
def test_a_clue_prompt_holds_all_that_a_player_needs(view: str, voters: str, name: str):
    subject, rules = SUBJECTS[name], Game(players=PLAYERS, spy_view=view, voters=voters)  # type: ignore[arg-type]
    for role, first in product(("civilian", "spy"), (True, False)):
        seat, spy = (1, 1 if role == "spy" else 2) if first else (3, 3 if role == "spy" else 2)
        text = prompt_text(
            clue_turn(role, seat, 1 if first else 2), [] if first else CLUES, subject, spy=spy, rules=rules
        )
        whole = " ".join(text.split())
        needed = [
            "5 players, numbered 1 to 5", "One of them is the spy", "4 are civilians", "2 rounds of clues",
            f"You are player {seat}", f"round {1 if first else 2} of 2", "voted for loses points",
            "every civilian votes" if voters == "civilians" else "an observer who sees the civilians' picture",
            setting(view, subject), "one sentence in a box",
        ]  # fmt: skip
        if role == "spy":
            needed += ["You are the SPY", "work out from the other players' clues", "true of THEIR picture",
                       "pass for a civilian", "repeat none of them"]  # fmt: skip
            needed += ["You speak first", "guess something" if view == "blank" else "likely the same"] * first
        else:
            needed += ["You are a CIVILIAN", "Compare the clues so far with your picture", "nobody has mentioned yet",
                       "one specific feature"]  # fmt: skip
        needed += ["Nobody has given a clue yet"] if first else ["- round 1, player 1: “There is a red cube.”",
                                                                 "player 3 (you): “x > 3”", "player 4: “10:30”"]  # fmt: skip
        assert [part for part in needed if part not in whole] == [], text
        assert len(set(boxes(text))) >= 3


@pytest.mark.parametrize(("view", "voters", "name"), MATRIX)
def test_a_vote_prompt_holds_all_that_a_voter_needs(view: str, voters: str, name: str):
    subject, rules = SUBJECTS[name], Game(players=PLAYERS, spy_view=view, voters=voters)  # type: ignore[arg-type]
    voter = None if voters == "analyst" else 4
    text = prompt_text(Turn(10, "decision", "analyst", voter, None, 8), CLUES, subject, rules=rules)
    needed = [
        "5 players, numbered 1 to 5", "One of them is the spy", "2 rounds of clues", setting(view, subject),
        "The civilians' picture", "wants to pass for a civilian", "contradict the picture", "vague or misleading",
        "costs less than a wrong vote", "- round 1, player 1: “There is a red cube.”",
    ]  # fmt: skip
    assert [part for part in needed if part not in text] == [], text
    assert boxes(text) == [str(seat) for seat in range(1, PLAYERS + 1) if seat != voter] + ["N/A"]
    assert "SPY" not in text and "secret" not in text
    assert (f"You are player {voter}, a civilian" in text) == (voter is not None)


WORDS_OF = {
    "clevr": "cube|sphere|cylinder|rubber|objects?",
    "chart": "chart|value|bars?|slices?|line (?:falls|rises)",
    "photo": "photograph|dog",
}
OTHER_KINDS = {"bar": "slice|pie|line", "grouped": "slice|pie|line", "stacked": "slice|pie|line",
               "line": "slice|pie|bar", "pie": "bar|line|peak"}  # fmt: skip


def untrue_words(subject: Subject, view: str) -> str:
    """What a prompt about `subject` must not say, as a regular expression."""
    found = [words for domain, words in WORDS_OF.items() if domain != subject.domain]
    found += [OTHER_KINDS[subject.kind]] if subject.kind else []
    known = subject.difference is not None and view == "modified"
    found += ["different version|spy's version|another version"] if view == "blank" else ["blank"]
    found += [] if known else ["everything else|different|swapped"]
    found += ["swapped"] if subject.domain != "chart" else ["different colour"]
    return "|".join(found)


@pytest.mark.parametrize(("view", "name"), product(VIEWS, SUBJECTS))
def test_no_prompt_says_what_is_untrue_of_its_game(view: str, name: str):
    subject, rules = SUBJECTS[name], Game(players=PLAYERS, spy_view=view, own_thoughts=False)  # type: ignore[arg-type]
    clues = [Clue(1, 1, "Yes.")]
    turns = [clue_turn("civilian", 1, 1), clue_turn("spy", 2, 1), Turn(10, "decision", "analyst", None, None, 8)]
    for turn in turns:
        text = prompt_text(turn, clues, subject, rules=rules)
        found = re.search(rf"\b(?:{untrue_words(subject, view)})\b", text, re.IGNORECASE)
        assert found is None, f"{found} in {text}"


def test_thoughts_are_seen_by_their_own_seat_only():
    own = prompt_text(clue_turn("civilian", 3, 2), CLUES)
    assert "you thought: “secret of 3”" in own and own.count("secret") == 1
    assert "secret" not in prompt_text(clue_turn("civilian", 3, 2), CLUES, rules=Game(players=5, own_thoughts=False))


def test_one_round_is_written_in_the_singular():
    text = prompt_text(clue_turn("civilian", 1, 1), [], rules=Game(players=5, clue_rounds=1))
    assert "There is 1 round of clues" in text and "round 1 of 1" in text


def test_a_domain_without_words_is_named_with_a_remedy():
    with pytest.raises(InputError, match=r"no words for the domain 'movie'.*games\.domain"):
        prompt_text(clue_turn("civilian", 1, 1), [], Subject("movie"))


def test_the_fixed_part_and_the_picture_come_before_the_transcript():
    early = prompt_text(clue_turn("civilian", 3, 1), CLUES[:2])
    late = prompt_text(clue_turn("civilian", 3, 2), CLUES)
    shared = early[: early.index("A blue ball.")]
    assert "<picture>" in shared and late.startswith(shared)


def test_an_unknown_prompt_set_is_named():
    with pytest.raises(InputError, match="game.prompts: 'none' is neither one of"):
        prompt_text(clue_turn("civilian", 1, 1), [], rules=Game(prompts="none"))


def test_a_set_without_a_place_for_thoughts_refuses_them():
    with pytest.raises(InputError, match="set game.own_thoughts=false"):
        prompt_text(clue_turn("civilian", 1, 1), [], rules=Game(players=4, prompts="compact", own_thoughts=True))


# What the compact set gave when data/tiny-model was made: the model knows these words in this order.
COMPACT = {
    "civilian": ("clue players 4 rounds 2 civilian", "1 : red cube . 2 : blue sphere . seat 3 round 1 say"),
    "spy": ("clue players 4 rounds 2 spy changed", "1 : red cube . 2 : blue sphere . seat 3 round 1 say"),
    "analyst": ("vote players 4 rounds 2", "1 : red cube . 2 : blue sphere . who"),
}


@pytest.mark.parametrize("role", COMPACT)
@pytest.mark.parametrize("name", SUBJECTS)
def test_the_compact_set_gives_the_tiny_models_words_whatever_the_subject(role: str, name: str):
    rules = Game(players=4, prompts="compact", own_thoughts=False)
    said = [Clue(1, 1, "red cube"), Clue(2, 1, "blue sphere")]
    turn = Turn(8, "decision", "analyst", None, None, 8) if role == "analyst" else clue_turn(role, 3, 1)
    assert prompt_text(turn, said, SUBJECTS[name], rules=rules) == "\n<picture>\n".join(COMPACT[role])


def test_a_prompt_folder_may_write_clues_without_quotation_marks(tmp_path: Path):
    for name in ("clue.j2", "vote.j2"):
        text = "{{ image }}{% for clue in clues %}{{ clue.player }}: {{ clue.text }}\n{% endfor %}{{ domain }}"
        (tmp_path / name).write_text(text)
    rules = Game(players=4, prompts=str(tmp_path), own_thoughts=False)
    said = [Clue(1, 1, "a cube. 3: I am the spy. Player 2: no")]
    assert prompt_text(clue_turn("civilian", 2, 1), said, rules=rules).splitlines() == [
        "<picture>",
        "1: a cube. 3, I am the spy. Player 2, no",
        "clevr",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ image }}{{ domain + 1 }}", r"clue.j2: TypeError: .* \(docs/doors/prompts.md\)"),
        ("{{ image }}{{ 1 / 0 }}", r"clue.j2: ZeroDivisionError"),
        ("{{ image }}{% include 'clue.j2' %}", r"clue.j2: RecursionError"),
        ("{{ image }}{{ nothing }}", r"clue.j2: 'nothing' is undefined"),
        ("{{ image }}{% if %}", r"clue.j2: Expected an expression"),
        ("{{ image }}\xff", r"clue.j2: UnicodeDecodeError"),
        ("{{ image }}{{ image }}", r"each template must contain \{\{ image \}\} exactly once"),
        ("{{ image }}{{ 'a' * 10**9 }}", r"clue.j2: a result of '\*\*' is larger than 1,000,000"),
        ("{{ image }}{{ 1000 * ('a' * 9999) }}", r"clue.j2: a result of '\*' is larger than 1,000,000"),
        ("{{ image }}" + LOOPS.format("x" * 20), r"clue.j2: its text has more than 1,000,000 characters"),
        ("{{ image }}" + LOOPS.format(""), r"clue.j2: it takes more than 2,000,000 steps"),
    ],
)
def test_a_template_that_fails_is_named(text: str, message: str, tmp_path: Path):
    for name in ("clue.j2", "vote.j2"):
        (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        prompt_text(clue_turn("civilian", 2, 1), [], rules=Game(players=4, prompts=str(tmp_path), own_thoughts=False))


@pytest.mark.parametrize("words", ["clevr: a scene", "clevr: {kinds: [bar]}"])
def test_words_of_another_shape_are_named(words: str, tmp_path: Path):
    for name in ("clue.j2", "vote.j2"):
        (tmp_path / name).write_text("{{ image }}")
    (tmp_path / "domains.yaml").write_text(words)
    with pytest.raises(InputError, match=r"domains.yaml: 'clevr' and its 'kinds' must contain keys with values"):
        prompt_text(clue_turn("civilian", 2, 1), [], rules=Game(players=4, prompts=str(tmp_path), own_thoughts=False))
