"""The words for places in a picture and for who lies where of whom."""

from __future__ import annotations

from stages.evaluate.claims.lexicon.words import Table, listed, phrases

_TOWARDS = ("on the", "to the", "in the", "at the", "toward the", "towards the", "on", "off to the", "over to the",
            "over on the")  # fmt: skip
_PICTURES = ("picture", "image", "scene", "frame", "view", "photo", "canvas")
_OF = ("", *(f" of {article} {picture}" for article in ("the", "my", "this") for picture in _PICTURES))
_VIEWERS = ("the camera", "the viewer", "me", "us", "the observer", "the viewpoint", "my viewpoint", "my view")


def _before_noun() -> dict[str, str]:
    """Phrases that stand before the other object, with the side of it that they name."""
    found = {}
    for side in ("left", "right"):
        for form in ("{} of", "to the {} of", "on the {} of", "on the {} side of", "to the {} side of", "at the {} of",
                     "on the {} hand side of", "further {} than", "farther {} than", "further to the {} than",
                     "farther to the {} than", "more to the {} than", "more {} than", "off to the {} of",
                     "over to the {} of"):  # fmt: skip
            found[form.format(side)] = side
    for far in ("further", "farther", "more distant"):
        for end in ("back", "away", "behind", "from the camera", "from the viewer", "away from the camera",
                    "back in the scene"):  # fmt: skip
            found[f"{far} {end} than"] = "behind"
    for near in ("closer", "nearer"):
        found[f"{near} than"] = found[f"{near} to the front than"] = "front"
        found.update({f"{near} to {viewer} than": "front" for viewer in _VIEWERS})
    found |= dict.fromkeys(("behind", "in back of", "to the rear of", "to the back of", "in the back of"), "behind")
    found |= dict.fromkeys(("in front of", "in the front of", "ahead of", "to the front of"), "front")
    found |= dict.fromkeys(("further forward than", "farther forward than", "further to the front than"), "front")
    return found


SIDES: Table[str] = Table(_before_noun())
# The first of two sides of the same object: "behind and to the left of".
FIRST_SIDES: Table[str] = Table(
    {
        **{form.format(side): side for side in ("left", "right") for form in ("{}", "to the {}", "on the {}")},
        **dict.fromkeys(("in front", "to the front"), "front"),
        **dict.fromkeys(("behind", "in back"), "behind"),
    }
)
# Of the object spoken of: "a cube with a sphere behind it".
OWN_SIDES: Table[str] = Table(
    {
        **{
            form.format(side): side
            for side in ("left", "right")
            for form in ("to its {}", "on its {}", "on its {} side", "to the {} of it", "to its {} side", "{} of it",
                         "to its immediate {}", "on the {} of it", "at its {}")
        },
        **dict.fromkeys(("in front of it", "in front", "before it"), "front"),
        **dict.fromkeys(("behind it", "in back of it"), "behind"),
    }
)  # fmt: skip
ROWS: Table[str] = Table(
    {
        **{f"{start}left to right": "right" for start in ("from ", "", "going from ", "reading from ", "going ")},
        **{f"{start}right to left": "left" for start in ("from ", "", "going from ")},
        **dict.fromkeys(("from front to back", "front to back"), "behind"),
        **dict.fromkeys(("from back to front", "back to front"), "front"),
    }
)
TO_WHOM = phrases("to/on/at")
ITS_SIDES: Table[str] = Table(
    {form.format(side): side for side in ("left", "right") for form in ("to its {}", "on its {}", "on its {} side")}
)
BELONGING: Table[str] = Table({"left": "left", "right": "right", "left side": "left", "right side": "right"})


def _halves() -> dict[str, str]:
    found = {}
    for towards in _TOWARDS:
        for of in _OF:
            for side in ("left", "right"):
                for part in ("", " side", " half", " part", " hand side", " portion"):
                    if (part or of) or not towards.endswith("to the"):
                        found[f"{towards} {side}{part}{of}"] = side
            for side, word in (("upper", "upper"), ("upper", "top"), ("lower", "lower"), ("lower", "bottom")):
                found[f"{towards} {word} half{of}"] = side
    return found


HALVES: Table[str] = Table(_halves())
# Where nothing else lies on that side; by the conventions "at the back" is one of these.
# Of the picture or of what was spoken of?
LEANINGS: Table[str] = Table({f"{to} {side}": side for side in ("left", "right") for to in ("to the", "off to the")})
SIDE_OF_PICTURE: Table[str] = Table(
    {f"the {side} {part}{of}": side for side in ("left", "right") for part in ("half", "side", "part") for of in _OF}
)
ENDS: Table[str] = Table(
    {
        f"{start} {word}{of}": side
        for of in _OF
        for start in ("at the", "at the very", "in the very", "all the way at the", "all the way to the")
        for word, side in (("back", "behind"), ("rear", "behind"), ("front", "front"))
    }
    | {
        f"{start} {side}{of}": side
        for of in _OF
        for side in ("left", "right")
        for start in ("at the very", "on the very", "all the way to the", "all the way on the")
    }
)
# The same said less firmly.
FAR_ENDS: Table[str] = Table(
    {
        f"{start} {word}{of}": side
        for of in _OF
        for start in ("in the", "to the", "toward the", "towards the", "near the")
        for word, side in (("back", "behind"), ("rear", "behind"), ("front", "front"))
    }
    | {
        f"{start} far {side}{part}{of}": side
        for of in _OF
        for side in ("left", "right")
        for part in ("", " side", " end")
        for start in ("on the", "to the", "at the", "in the", "on")
    }
    | {"far left": "left", "far right": "right"}
    | dict.fromkeys(("in front", "up front"), "front")
    | dict.fromkeys(("in back", "behind"), "behind")
)

OUTERMOST: Table[str] = Table(
    {
        **{
            form.format(side): side
            for side in ("left", "right")
            for form in ("{}most", "{} most", "furthest {}", "farthest {}", "far {}", "most {}")
        },
        **dict.fromkeys(("frontmost", "front most", "foremost", "closest", "nearest"), "front"),
        **dict.fromkeys(("backmost", "rearmost", "hindmost", "furthest", "farthest", "most distant", "furthest back",
                         "farthest back", "furthest away", "farthest away"), "behind"),
    }
)  # fmt: skip
# After the noun or the verb, with a measure of its own: "the cube closest to the camera".
OUTERMOST_AFTER: Table[str] = Table(
    {
        **{
            form.format(side): side
            for side in ("left", "right")
            for form in ("furthest to the {}", "farthest to the {}", "most to the {}", "furthest {}", "farthest {}",
                         "furthest on the {}", "farthest on the {}", "the furthest to the {}", "the farthest to the {}")
        },
        **{f"{near} to {viewer}": "front" for near in ("closest", "nearest") for viewer in (*_VIEWERS, "the front")},
        **{
            f"{far} from {viewer}": "behind"
            for far in ("furthest", "farthest", "furthest away", "farthest away", "most distant")
            for viewer in _VIEWERS
        },
        **dict.fromkeys(("furthest back", "farthest back", "furthest away", "farthest away", "furthest to the back",
                         "farthest to the back"), "behind"),
        **dict.fromkeys(("furthest forward", "farthest forward", "furthest to the front"), "front"),
    }
)  # fmt: skip
OUTERMOST_TAILS = phrases("/".join(f"{word} {viewer}" for word in ("to", "from", "away from") for viewer in _VIEWERS))
RANK_TAILS = phrases(
    "of all/of them all/of all objects/of all the objects/among all objects/of all of them/of the bunch"
)
ORDINALS: Table[int] = Table({"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5})
FROM_SIDE: Table[str] = Table(
    {"from the left": "left", "from the right": "right", "from the front": "front", "from the back": "behind",
     "from the left side": "left", "from the right side": "right", "on the left": "left", "on the right": "right"}
)  # fmt: skip

# Understood, but a scene does not decide them.
NEAR: Table[str] = Table(
    {
        word: word
        for word in listed(
            "next to/near/near to/close to/beside/right next to/adjacent to/nearest to/closest to/alongside/by/"
            "directly next to/very close to/touching/far from/far away from/nearest/right beside/surrounded by/"
            "closer to/opposite"
        )
    }
)
VAGUE_PLACES: Table[str] = Table(
    {
        f"{place}{of}": place
        for of in _OF
        for place in listed(
            "in the middle/in the center/in the centre/at the center/at the centre/near the center/near the middle/"
            "near the centre/toward the middle/toward the center/towards the middle/towards the center/"
            "towards the centre/central/centrally/in the foreground/in the background/in the distance/in the corner/"
            "at the top/at the bottom/near the top/near the bottom/near the edge/near the left/near the right/"
            "near the left edge/near the right edge/in a row/in a line/close together/close by/nearby/side by side/"
            "next to each other/far apart/medium sized/off to the side/off to one side"
        )
    }
)
DEGREES: Table[str] = Table(
    {
        word: word
        for word in listed(
            "directly/just/right/immediately/slightly/a bit/a little/a little bit/far/well/almost/partially/partly/"
            "diagonally/closely/mostly/exactly/somewhat"
        )
    }
)
BETWEEN = phrases("between/in between/right between/directly between")
