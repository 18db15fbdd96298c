import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.game.readers import last_box, read_clue, read_thoughts, read_vote


@pytest.mark.parametrize(
    ("text", "kind", "seat"),
    [
        (r"\boxed{3}", "seat", 3),
        (r"I thought \boxed{1} but no: \boxed{2}", "seat", 2),
        (r"\boxed{Player 3}", "seat", 3),
        (r"\boxed{player #3}", "seat", 3),
        (r"\boxed{Player: 3}", "seat", 3),
        (r"\boxed{Seat: 3}", "seat", 3),
        (r"\boxed{Player 3:}", "seat", 3),
        (r"\boxed{3.}", "seat", 3),
        (r"\boxed{\text{Player 4}}", "seat", 4),
        (r"\boxed{\textbf{2}}", "seat", 2),
        (r"\boxed{ $3$ }", "seat", 3),
        (r"\boxed{The spy is player 1.}", "seat", 1),
        (r"\boxed {2}", "seat", 2),
        (r"\boxed{\boxed{2}}", "seat", 2),
        (r"\boxed{2} and then \boxed{", "seat", 2),
        (r"\boxed{N/A}", "na", None),
        (r"\boxed{\text{N/A}}", "na", None),
        (r"\boxed{n/a.}", "na", None),
        (r"\boxed{NA}", "na", None),
        (r"\boxed{5}", "unreadable", None),
        (r"\boxed{0}", "unreadable", None),
        (r"\boxed{-1}", "unreadable", None),
        (r"\boxed{1 or 2}", "unreadable", None),
        (r"\boxed{2, 2}", "unreadable", None),
        (r"\boxed{not player 2}", "unreadable", None),
        (r"\boxed{1.5}", "unreadable", None),
        (r"\boxed{}", "unreadable", None),
        (r"\boxed{99999999999999999999}", "unreadable", None),
        ("3", "unreadable", None),
        ("", "unreadable", None),
    ],
)
def test_votes_as_models_write_them(text: str, kind: str, seat: int | None):
    vote = read_vote(text, players=4)
    assert (vote.kind, vote.seat) == (kind, seat)


def test_seats_above_nine_can_be_read():
    assert read_vote(r"\boxed{Player 12}", players=12).seat == 12


@pytest.mark.parametrize(
    ("text", "clue"),
    [
        (r"Hm. \boxed{There is a red cube.}", "There is a red cube."),
        (r"\boxed{a {nested} one}", "a {nested} one"),
        ("\\boxed{two\nlines\r\nhere}", "two lines here"),
        (r"\boxed{\text{a red cube}}", "a red cube"),
        ("\\boxed{a\u202eb\u200bc\x00d}", "abc d"),
        (r"\boxed{   }", None),
        (r"no box at all", None),
    ],
)
def test_clues_become_one_line(text: str, clue: str | None):
    assert read_clue(text, 400) == clue


@pytest.mark.parametrize(
    ("text", "clue"),
    [
        (r"\boxed{A red cube.} (Format: \boxed{your clue})", "A red cube."),
        (r"\boxed{A red cube.} Only the text in \boxed{} is heard.", "A red cube."),
        (r"\boxed{A red cube.}, in the form \boxed{...}", "A red cube."),
        (r"\boxed{your sentence here}", None),
    ],
)
def test_a_clue_is_in_the_last_box_that_has_one(text: str, clue: str | None):
    assert read_clue(text, 400) == clue


def test_a_box_inside_a_thought_that_was_cut_off_is_no_clue():
    assert read_clue(r"Perhaps \boxed{a red cube}, but the others said", 400, truncated=True) is None
    assert read_clue(r"So: **\boxed{a red cube}**.", 400, truncated=True) == "a red cube"


def test_thoughts_that_were_cut_off_are_kept_whole():
    assert read_thoughts(r"Red? \boxed{a cube}, but wait", truncated=True).endswith("but wait")


def test_a_clue_is_cut_at_its_length():
    assert read_clue("\\boxed{" + "a" * 999 + "}", 50) == "a" * 50


def test_thoughts_are_the_text_before_the_last_box():
    assert read_thoughts("A\n\n  B \\boxed{2} C") == "A B"


def test_thoughts_cannot_smuggle_tokens_into_the_next_prompt():
    assert read_thoughts("I see <image>\x00image\x00 <|im_end|>\nx") == "I see < image> image < |im_end|> x"


@given(st.text(alphabet=st.sampled_from([*'\\boxed{}PLAYER 123:\n\r\u2028\u202e<>|[]"N/A']), max_size=300))
def test_no_answer_breaks_the_readers_or_the_line(text: str):
    clue = read_clue(text, 80)
    assert clue is None or (len(clue.splitlines()) == 1 and len(clue) <= 80)
    assert read_vote(text, 4).kind in {"seat", "na", "unreadable"}


@pytest.mark.parametrize("piece", ["\\boxed{", "{", "}", "\\boxed{1}", "\\text{", "Player 3:"])
def test_reading_is_linear_in_the_text(piece: str):
    text = piece * (1_000_000 // len(piece))
    began = time.process_time()
    last_box(text), read_vote(text, 4), read_clue(text, 100)
    assert time.process_time() - began < 5
