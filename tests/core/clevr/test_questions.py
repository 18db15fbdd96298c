import random
from collections import Counter

import pytest

from stages.core.clevr.questions import KINDS, VALUES, ask

THINGS = [
    {"size": "large", "color": "red", "material": "metal", "shape": "cube"},
    {"size": "small", "color": "red", "material": "rubber", "shape": "sphere"},
    {"size": "large", "color": "blue", "material": "rubber", "shape": "cube"},
]
ALL = tuple(VALUES)


def matching(words: list[str]) -> int:
    return sum(all(word in thing.values() for word in words) for thing in THINGS)


@pytest.mark.parametrize("attributes", [ALL, ("color", "shape")])
def test_answers_are_true_of_the_scene(attributes: tuple[str, ...]):
    """Each kind's answer worked out again from its compact words, by plain counting."""
    dice = random.Random(0)
    for kind in KINDS:
        for _ in range(100):
            question = ask(kind, THINGS, attributes, dice)
            words = question.compact.split()
            if kind == "exist":
                assert question.answer == ("yes" if matching(words[1:]) else "no")
            elif kind == "count":
                assert question.answer == str(matching(words[1:]))
            elif kind == "compare":
                _, more, _, less = words
                assert question.answer == ("yes" if matching([more]) > matching([less]) else "no")
            else:
                (thing,) = (thing for thing in THINGS if words[1] in thing.values())
                assert question.answer == thing[words[0]]
            assert question.answer in question.choices
            named = {name for name, values in VALUES.items() for word in words if word in values}
            assert named <= set(attributes)


def test_yes_and_no_are_balanced():
    dice = random.Random(1)
    for kind in ("exist", "compare"):
        answers = Counter(ask(kind, THINGS, ALL, dice).answer for _ in range(400))
        assert 160 < answers["yes"] < 240


def test_questions_read_like_english():
    dice = random.Random(2)
    texts = {ask(kind, THINGS, ("color", "shape"), dice).text for kind in KINDS for _ in range(200)}
    assert "Is there a red cube in the picture?" in texts
    assert "How many blue things are in the picture?" in texts
    assert "What color is the only sphere?" in texts
    assert "Are there more cubes than spheres in the picture?" in texts


def test_nothing_stands_alone_in_a_scene_of_twins():
    with pytest.raises(LookupError):
        ask("query", [THINGS[0], dict(THINGS[0])], ALL, random.Random(0))
