"""The words for objects, their attributes and their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from stages.evaluate.claims.meaning.quantity import ANOTHER_ONE, NO, Quantity, at_least, exactly

T = TypeVar("T")
KNOWN: set[str] = set()  # every word of every table


class Table(Generic[T]):
    """Phrases of one or several words, each with what it stands for."""

    def __init__(self, entries: Mapping[str, T]) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], T]]] = {}
        for phrase, value in entries.items():
            words = tuple(phrase.split())
            self._by_first.setdefault(words[0], []).append((words, value))
            KNOWN.update(words)

    def at(self, words: tuple[str, ...], start: int) -> Iterator[tuple[T, int]]:
        """Every phrase that begins with word number `start`, with the number of the word after it."""
        if start < len(words):
            for phrase, value in self._by_first.get(words[start], ()):
                if words[start : start + len(phrase)] == phrase:
                    yield value, start + len(phrase)


def listed(text: str) -> list[str]:
    """Phrases that are written with "/" between them."""
    return [phrase.strip() for phrase in text.split("/")]


def phrases(text: str) -> Table[bool]:
    """A table of phrases that are all used alike, written with "/" between them."""
    return Table(dict.fromkeys(listed(text), True))


def spelled(groups: Mapping[str, str]) -> dict[str, str]:
    """{"cyan": "cyan/teal"} as {"cyan": "cyan", "teal": "cyan"}."""
    return {phrase: value for value, forms in groups.items() for phrase in listed(forms)}


# Values that no object of CLEVR has (pink, cone, glass) are read too: what is said of them can be judged.
_COLORS = spelled(
    {
        "red": "red/bright red/dark red/deep red",
        "blue": "blue/bright blue/dark blue/deep blue/royal blue",
        "green": "green/bright green/dark green/deep green",
        "purple": "purple/violet/bright purple/deep purple/dark purple",
        "cyan": "cyan/teal/turquoise/light blue/aqua/bright cyan/bright turquoise/bright teal/bright light blue",
        "yellow": "yellow/bright yellow",
        "brown": "brown/dark brown",
        "gray": "gray/grey/dark gray/dark grey",
        "pink": "pink",
        "orange": "orange",
        "black": "black",
        "white": "white",
    }
)
_MATERIALS = spelled(
    {
        "metal": "metal/metallic/shiny/reflective/polished/glossy/mirrored/mirror like",
        "rubber": "rubber/rubbery/matte/matt/dull/non reflective/non shiny/non metallic/nonreflective/nonmetallic",
        "glass": "glass/transparent",
        "wood": "wood/wooden",
    }
)
_SIZES = spelled({"large": "large/big/huge/large sized/big sized", "small": "small/tiny/little/small sized/miniature"})
_FORMS = spelled(
    {
        "cube": "cubic/cubical/cube shaped/block shaped/box shaped/cube like",
        "sphere": "spherical/round/sphere shaped/ball shaped/sphere like",
        "cylinder": "cylindrical/cylinder shaped/tube shaped/cylinder like",
    }
)

Values = tuple[tuple[str, str], ...]  # attributes with their values
ADJECTIVES: Table[Values] = Table(
    {
        phrase: ((attribute, value),)
        for attribute, values in {"color": _COLORS, "material": _MATERIALS, "size": _SIZES, "shape": _FORMS}.items()
        for phrase, value in values.items()
    }
    | dict.fromkeys(("silver", "silvery", "shiny silver", "silver metal"), (("color", "gray"), ("material", "metal")))
    | dict.fromkeys(("gold", "golden", "shiny gold", "gold metal"), (("color", "yellow"), ("material", "metal")))
)

_SINGULAR = spelled(
    {
        "cube": "cube/block/box/cube object",
        "sphere": "sphere/ball/orb/sphere object/round object",
        "cylinder": "cylinder/tube/cylinder object",
        "cone": "cone",
        "pyramid": "pyramid",
        "torus": "torus/donut/ring",
        "": "object/thing/item/shape/solid/figure/piece/element/geometric shape",
    }
)
NOUNS: Table[tuple[str, bool]] = Table(
    {phrase: (shape, False) for phrase, shape in _SINGULAR.items()}
    | {phrase + ("es" if phrase.endswith("x") else "s"): (shape, True) for phrase, shape in _SINGULAR.items()}
)  # phrase -> shape ("" for any) and whether it is plural
ONE: Table[bool] = Table({"one": False, "ones": True})

ATTRIBUTE_NOUNS = Table(
    spelled(
        {
            "color": "color/colour/colors/colours/hue/hues",
            "shape": "shape/shapes/form/forms/geometry",
            "size": "size/sizes",
            "material": "material/materials/texture/textures/finish/finishes/surface/surfaces/material type",
        }
    )
)
# What a look is named with: "with a shiny surface", "a cubic shape", "made of a matte material".
LOOKS = phrases(
    "color/colour/hue/shape/form/size/material/texture/finish/surface/look/appearance/sheen/coating/surfaces/exterior"
)

# Understood, but not a value that CLEVR has.
VAGUE_ADJECTIVES: Table[str] = Table({word: word for word in ("medium", "medium sized", "mid sized", "average sized")})
NON = phrases("non/not")

SIZED = Table(spelled({"large": "largest/biggest", "small": "smallest/tiniest/littlest"}))
LARGER = Table(spelled({"large": "larger/bigger", "small": "smaller/tinier"}))  # before a noun: of what it names
COMPARATIVES = Table(spelled({"larger": "larger/bigger", "smaller": "smaller/tinier"}))
EQUATIVES = phrases("big/large/small/tiny")

_COUNTING = listed("zero/one/two/three/four/five/six/seven/eight/nine/ten/eleven/twelve/thirteen/fourteen/fifteen")
_NUMBERS = {word: number for number, word in enumerate(_COUNTING)} | {str(number): number for number in range(21)}
NUMBERS = Table(_NUMBERS)
NUMBER_WORDS = frozenset(_NUMBERS)
# Words around a number: how they turn it into least and most (None: no bound).
EXACT = phrases("exactly/precisely/just/only/a total of")
LEAST = Table({"at least": 0, "no fewer than": 0, "no less than": 0, "not less than": 0, "a minimum of": 0,
               "more than": 1, "over": 1, "greater than": 1, "upwards of": 0})  # fmt: skip
MOST = Table({"at most": 0, "no more than": 0, "not more than": 0, "up to": 0, "a maximum of": 0, "fewer than": -1,
              "less than": -1, "under": -1})  # fmt: skip
OR_MORE = phrases("or more/or above/or more than that")
OR_FEWER = phrases("or fewer/or less")
BETWEEN_NUMBERS = phrases("between/from/either")
TO_NUMBER = phrases("to/and/or")

DETERMINERS: Table[Quantity] = Table(
    {
        **dict.fromkeys(("a", "an", "at least a"), at_least(1)),
        "another": ANOTHER_ONE,
        **dict.fromkeys(("a single", "just a single", "only a single", "exactly a single", "a lone", "a solitary", "a sole"),
                        exactly(1)),
        **dict.fromkeys(("a couple of", "a pair of", "exactly a pair of", "a duo of"), exactly(2)),
        **dict.fromkeys(("a trio of",), exactly(3)),
        **dict.fromkeys(("a few", "multiple", "at least a couple of", "a number of", "various"), at_least(2)),
        **dict.fromkeys(("several",), at_least(3)),
        **dict.fromkeys(("many", "lots of", "a lot of", "plenty of", "numerous", "a bunch of", "loads of"), Quantity("many")),
        **dict.fromkeys(("no", "not a", "not any", "not a single", "not one", "zero"), NO),
        **dict.fromkeys(("any", "any of the"), Quantity("any")),
        **dict.fromkeys(("every", "each", "each of the", "every one of the", "each one of the", "every single"),
                        Quantity("each")),
        **dict.fromkeys(("all", "all the", "all of the", "all of my"), Quantity("all")),
        **dict.fromkeys(("both", "both the", "both of the"), Quantity("whole", of=2)),
        **dict.fromkeys(("neither", "neither of the"), Quantity("none of", of=2)),
        **dict.fromkeys(("none of the", "not one of the"), Quantity("none of")),
        **dict.fromkeys(("not all", "not all the", "not all of the", "not every"), Quantity("not all")),
        **dict.fromkeys(("half of the", "half the", "exactly half of the", "exactly half the"), Quantity("half")),
        **dict.fromkeys(("most", "most of the", "the majority of the", "the majority of", "more than half of the",
                         "more than half the", "over half of the"), Quantity("most")),
        **dict.fromkeys(("less than half of the", "fewer than half of the", "a minority of the"), Quantity("less than half")),
        **dict.fromkeys(("some of the",), Quantity("some of")),
        **dict.fromkeys(("several of the",), Quantity("part", 3)),
        **dict.fromkeys(("a few of the",), Quantity("part", 2)),
        **dict.fromkeys(("a couple of the",), Quantity("part", 2, 2)),
        **dict.fromkeys(("many of the",), Quantity("many")),
        **dict.fromkeys(("an odd number of",), Quantity("odd")),
        **dict.fromkeys(("an even number of",), Quantity("even")),
        **dict.fromkeys(("some", "a mix of", "a mixture of", "a combination of"), Quantity("plural")),
        **dict.fromkeys(("no two",), Quantity("no two")),
    }
)  # fmt: skip
# With a number after them: "all three cubes", "none of the two"; the names of quantities that know their total.
COUNTED: Table[str] = Table({**dict.fromkeys(("the", "all", "all the", "all of the", "the only", "my"), "whole"),
                             **dict.fromkeys(("none of the", "neither of the"), "none of")})  # fmt: skip
ALL_KINDS: Table[int] = Table(
    {"all": 0, "both": 2, "all the": 0, "all possible": 0, "every": 0}
    | {f"all {word}": number for number, word in enumerate(_COUNTING[:9])}
)
A = phrases("a/an")
ANOTHER = phrases("another/another one/the first/at least one")
THE = phrases("the/my")
ONLY = phrases("only/just/nothing but/solely/exclusively/nothing other than")
THE_ONLY = phrases("the only/the sole/the single/the lone/the solitary/the one and only")
ALL_BUT = phrases("all but/all except/all except for")
OF_THE = phrases("of the/of my/of these/out of the/out of/among the")
EXCEPT = phrases("except/except for/other than/besides/apart from/aside from/but/excluding/with the exception of/"
                 "but for/save for")  # fmt: skip

INDEFINITES: Table[Quantity] = Table(
    {"everything": Quantity("each"), "nothing": NO, "something": at_least(1), "anything": Quantity("any")}
)
ELSE = phrases("else")
OTHER_DETERMINERS: Table[Quantity] = Table(
    {
        **dict.fromkeys(("every other", "each other"), Quantity("each")),
        **dict.fromkeys(("all other", "all the other", "all of the other", "all the remaining", "all remaining"), Quantity("all")),
        "no other": NO,
        "any other": Quantity("any"),
        **dict.fromkeys(("none of the other",), Quantity("none of")),
        **dict.fromkeys(("one other",), exactly(1)),
    }
)  # fmt: skip
THE_OTHER = phrases("the other/the remaining/its other")
THE_REST = phrases("the others/the rest/all others/all the others/all the rest/the other ones/the remaining ones/"
                   "all of the others/the rest of them")  # fmt: skip

IT = phrases("it/this one/that one")
PRONOUNS: Table[Quantity] = Table(
    {
        **dict.fromkeys(("they", "them", "these", "those", "all", "all of them", "all of these"), Quantity("all")),
        **dict.fromkeys(("both", "both of them", "both of these", "the two", "the pair"), Quantity("whole", of=2)),
        **dict.fromkeys(("all three", "all three of them", "the three"), Quantity("whole", of=3)),
        **dict.fromkeys(("all four", "all four of them"), Quantity("whole", of=4)),
        **dict.fromkeys(("each", "each of them", "each one", "every one", "every one of them"), Quantity("each")),
        **dict.fromkeys(("none", "none of them", "none of these", "not one of them"), Quantity("none of")),
        **dict.fromkeys(("neither", "neither of them"), Quantity("none of", of=2)),
        **dict.fromkeys(("most", "most of them"), Quantity("most")),
        **dict.fromkeys(("half", "half of them"), Quantity("half")),
        **dict.fromkeys(("some", "some of them"), Quantity("some of")),
        **dict.fromkeys(("several of them",), at_least(3)),
        **dict.fromkeys(
            (
                "not all",
                "not all of them",
                "not every one",
                "not every one of them",
                "not each of them",
                "not each one",
            ),
            Quantity("not all"),
        ),
    }
)
OF_THEM = phrases("of them/of these/of those/of which")
