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
        "torus": "donut/ring",
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

_MEANT: list[tuple[Quantity, str]] = [
    (at_least(1), "a/an/at least a"),
    (ANOTHER_ONE, "another/one more/one other/yet another"),
    (exactly(1), "a single/just a single/only a single/exactly a single/a lone/a solitary/a sole"),
    (exactly(2), "a couple of/a pair of/exactly a pair of/a duo of"),
    (exactly(3), "a trio of"),
    (at_least(2), "a few/multiple/at least a couple of/a number of/various"),
    (at_least(3), "several"),
    (NO, "no/not a/not any/not a single/not one/zero"),
    (Quantity("many"), "many/lots of/a lot of/plenty of/numerous/a bunch of/loads of/many of the"),
    (Quantity("plural"), "some/a mix of/a mixture of/a combination of"),
    (Quantity("any"), "any/any of the"),
    (Quantity("each"), "every/each/each of the/every one of the/each one of the/every single"),
    (Quantity("all"), "all/all the/all of the/all of my"),
    (Quantity("whole", of=2), "both/both the/both of the"),
    (Quantity("none of", of=2), "neither/neither of the"),
    (Quantity("none of"), "none of the/not one of the"),
    (Quantity("not all"), "not all/not all the/not all of the/not every"),
    (Quantity("half"), "half of the/half the/half of/half of all/half of all the/exactly half of/exactly half of the"),
    (Quantity("most"), "most/most of the/most of/the majority of/the majority of the/a majority of/a majority of the"),
    (Quantity("most"), "more than half of the/more than half the/over half of the"),
    (Quantity("less than half"), "less than half of the/fewer than half of the/a minority of the"),
    (Quantity("some of"), "some of the"),
    (Quantity("part", 3), "several of the"),
    (Quantity("part", 2), "a few of the"),
    (Quantity("part", 2, 2), "a couple of the"),
    (Quantity("odd"), "an odd number of"),
    (Quantity("even"), "an even number of"),
    (Quantity("no two"), "no two"),
]
DETERMINERS: Table[Quantity] = Table({phrase: quantity for quantity, forms in _MEANT for phrase in listed(forms)})
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
_OTHERS: list[tuple[Quantity, str]] = [
    (Quantity("each"), "every other/each other"),
    (Quantity("all"), "all other/all the other/all of the other/all the remaining/all remaining"),
    (NO, "no other"),
    (Quantity("any"), "any other"),
    (Quantity("none of"), "none of the other"),
    (exactly(1), "one other"),
]
OTHER_DETERMINERS: Table[Quantity] = Table(
    {phrase: quantity for quantity, forms in _OTHERS for phrase in listed(forms)}
)
THE_OTHER = phrases("the other/the remaining/its other")
THE_REST = phrases("the others/the rest/all others/all the others/all the rest/the other ones/the remaining ones/"
                   "all of the others/the rest of them")  # fmt: skip

IT = phrases("it/this one/that one")
_PRONOUNS: list[tuple[Quantity, str]] = [
    (Quantity("all"), "they/them/these/those/all/all of them/all of these"),
    (Quantity("whole", of=2), "both/both of them/both of these/the two/the pair"),
    (Quantity("whole", of=3), "all three/all three of them/the three"),
    (Quantity("whole", of=4), "all four/all four of them"),
    (Quantity("each"), "each/each of them/each one/every one/every one of them"),
    (Quantity("none of"), "none/none of them/none of these/not one of them"),
    (Quantity("none of", of=2), "neither/neither of them"),
    (Quantity("most"), "most/most of them"),
    (Quantity("half"), "half/half of them"),
    (Quantity("some of"), "some/some of them"),
    (at_least(3), "several of them"),
    (Quantity("not all"), "not all/not all of them/not every one/not every one of them/not each of them/not each one"),
]
PRONOUNS: Table[Quantity] = Table({phrase: quantity for quantity, forms in _PRONOUNS for phrase in listed(forms)})
PARTLY = ("most", "half", "some of", "none of", "not all")  # names of quantities of which there are others
OF_THEM = phrases("of them/of these/of those/of which")
