"""Private thought is no part of an answer, whatever its tags and wherever it is cut off."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.game.readers import Vote, last_box, read_vote
from stages.core.game.thinking import USUAL_TAGS, Answer, read_answer

BOX = r"\boxed{3}"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"red {BOX}", Answer("", f"red {BOX}", None)),
        (rf"<think>\boxed{{1}}?</think> {BOX}", Answer(r"\boxed{1}?", BOX, "closed")),
        (rf"I see \boxed{{1}}</think>{BOX}", Answer(r"I see \boxed{1}", BOX, "closed")),  # the prompt opened it
        (r"<think>It is \boxed{1}", Answer(r"It is \boxed{1}", "", "open")),
        (f"Well. <think>a</think> So {BOX}", Answer("a", f"Well.\nSo {BOX}", "closed")),
        (f"<think>a</think>{BOX}<think>b", Answer("a\nb", BOX, "open")),
        (f"<think>a <think> b</think>{BOX}", Answer("a <think> b", BOX, "closed")),
        (f"<think>the tag </thinking> is text</think>{BOX}", Answer("the tag </thinking> is text", BOX, "closed")),
        (f"<think>\n\n</think>\n\n{BOX}", Answer("", BOX, "closed")),
        ("", Answer("", "", None)),
    ],
)
def test_a_completion_is_split_into_thought_and_answer(text: str, answer: Answer):
    assert read_answer(text, USUAL_TAGS) == answer


@pytest.mark.parametrize("tags", USUAL_TAGS, ids=lambda tags: tags[0])
def test_boxes_in_a_thought_do_not_count(tags: tuple[str, str]):
    opening, closing = tags
    assert read_vote(read_answer(rf"{opening}\boxed{{1}}{closing}{BOX}", USUAL_TAGS).said, 4) == Vote("seat", 3)
    assert read_vote(read_answer(rf"{opening}So \boxed{{1}}", USUAL_TAGS).said, 4) == Vote("unreadable")


def test_tags_in_the_recipe_replace_the_usual_ones():
    answer = read_answer(f"[[a]] <think>{BOX}", [("[[", "]]")])
    assert answer == Answer("a", f"<think>{BOX}", "closed")


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", BOX, "◁think▷", "◁/think▷", "\n"]), max_size=12))
def test_nothing_between_tags_is_said(pieces: list[str]):
    text = "".join(pieces)
    answer = read_answer(text, USUAL_TAGS)
    if "</think>" not in text and "◁/think▷" not in text:
        first = min((text.find(tag) for tag in ("<think>", "◁think▷") if tag in text), default=len(text))
        assert answer.said == text[:first].strip()
    if answer.state is None:
        assert answer.said == text.strip() and not answer.thought
    assert text.count(BOX) == answer.said.count(BOX) + answer.thought.count(BOX)


def test_hostile_tags_are_read_in_linear_time():
    def seconds(text: str) -> float:
        started = time.perf_counter()
        last_box(read_answer(text, USUAL_TAGS).said)
        return time.perf_counter() - started

    for piece in ("<think>", "</think>", "<think></think>", "<thin", "a</think>"):
        assert seconds(piece * 40_000) < 2
