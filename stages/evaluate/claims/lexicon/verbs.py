"""The words that make sentences: verbs, openings, joints, and what may be left out of them without loss."""

from __future__ import annotations

from stages.evaluate.claims.lexicon.asides import IN_PICTURE, PICTURE_WORDS
from stages.evaluate.claims.lexicon.words import Table, phrases

NOT = phrases("not/never/definitely not/certainly not")
IS = phrases(
    "is/are/'s/be/being/appears/appear/appears to be/appear to be/seems/seem/seems to be/seem to be/looks/look/"
    "looks to be/look to be/happens to be/happen to be/remains/turns out to be/can be/is also/are also/must be"
)
DOES = phrases("do/does/can")
HAS = phrases("has/have/having/has got/have got")
WITH = phrases("with")
THAT = phrases("that/which/who")
PLACED = phrases(
    "located/positioned/placed/situated/sitting/standing/lying/resting/found/seen/set/visible/present/seated/"
    "appearing/residing/arranged/there"
)
STANDS = phrases(
    "sits/sit/stands/stand/lies/lie/rests/rest/stays/appears/appear/can be seen/can be found/is seen/is found/"
    "are found/are seen/resides/comes/goes/may be seen"
)
THERE = phrases(
    "visible/present/there/here/in view/in sight/seen/found/to be seen/to be found/represented/in existence/shown/"
    "part of the scene/part of the picture/part of my picture/part of the image/part of my scene/"
    + "/".join(IN_PICTURE)
)
IS_ABSENT = phrases(
    "is nowhere to be seen/is nowhere to be found/are nowhere to be seen/are nowhere to be found/is missing/"
    "are missing/is absent/are absent/does not exist/do not exist/does not appear/do not appear"
)
SO_IS = phrases("so is/so are/and so is/and so are/as is/as are")
EXISTS = phrases("exists/exist/can be seen/can be found/appears/appear")
MADE_OF = phrases(
    "made of/made from/made out of/of/constructed from/constructed of/crafted from/composed of/in/"
    "made entirely of/made up of/built from/formed from"
)
IN_COLOR = phrases(
    "in color/in colour/in shape/in size/in material/in texture/in appearance/in finish/in form/colored/"
    "coloured/looking/in hue"
)
COLORED = phrases("colored/coloured/painted")
WHOSE = phrases("whose")
ITS = phrases("its/the")
BOTH_OR_ALL = phrases("both/all/each")

SAME = phrases(
    "the same/the exact same/the very same/same/identical/the identical/equal/matching/the same exact/"
    "a common/one common/a single/one"
)
DIFFERENT = phrases(
    "different/a different/distinct/unique/a unique/its own/its own unique/another/differing/varying/"
    "an individual/a distinct/completely different/entirely different/separate"
)
SAME_AS = phrases(
    "the same as/the same as that of/identical to/identical to that of/the same as the color of/"
    "the same as the colour of/the same as the size of/the same as the shape of/the same as the material of"
)
AS = phrases("as/like/than/from/to/with")
THAN = phrases("than")
SHARES = phrases("shares/share/sharing")
MATCHES = phrases("matches/match/is identical to/are identical to/is the same as/equals")
DIFFERS_IN = phrases("differ/differs/vary")
ANY_OTHER = phrases("any other/every other/all other")
DIFFERS = phrases("differs from/differ from/is different from")
IDENTICAL = phrases("identical/alike/the same/uniform/matching")
OF = phrases("of")
AMONG = phrases("of/among/amongst/out of/from among")
IN = phrases("in/by")

OF_EACH = phrases("of each/of every/for each/for every")
IN_DIFFERENT = phrases(
    "in different/of different/with different/in various/of various/in distinct/of distinct/in differing"
)
KINDS = phrases("kinds of/types of/sorts of/kind of/type of/varieties of")
DISTINCT = phrases("different/distinct/unique/various/separate")
IN_KINDS = phrases("of/in/with/across/come in/comes in/are of/are in/have/span/use/share/are made of")
COMMON = Table(
    {
        "most common": "more",
        "commonest": "more",
        "most frequent": "more",
        "predominant": "more",
        "dominant": "more",
        "least common": "fewer",
        "rarest": "fewer",
    }
)

MORE = Table({"more": "more", "fewer": "fewer", "less": "fewer", "equally many": "equal"})
AS_MANY = Table(
    {
        "as many": ("equal", 0),
        "just as many": ("equal", 0),
        "exactly as many": ("equal", 0),
        "twice as many": ("times", 2),
        "three times as many": ("times", 3),
        "at least as many": ("at least", 0),
        "exactly twice as many": ("times", 2),
    }
)
COMBINED = phrases("combined/put together/together/taken together")
EQUAL_NUMBER = phrases(
    "the same number of/an equal number of/equal numbers of/the same amount of/an equal amount of/"
    "same number of/exactly the same number of/the same count of/an identical number of"
)
NUMBER_OF = phrases("the number of/the total number of/the count of/the total count of/the amount of")
OUTNUMBER = Table(
    {
        "outnumber": "more",
        "outnumbers": "more",
        "are more numerous than": "more",
        "are less numerous than": "fewer",
        "are outnumbered by": "fewer",
        "are fewer than": "fewer",
    }
)
RELATES = Table(
    {
        "equals": "equal",
        "is equal to": "equal",
        "is the same as": "equal",
        "matches": "equal",
        "is greater than": "more",
        "is larger than": "more",
        "exceeds": "more",
        "is higher than": "more",
        "is bigger than": "more",
        "is less than": "fewer",
        "is smaller than": "fewer",
        "is fewer than": "fewer",
        "is lower than": "fewer",
    }
)

AND = phrases("and/as well as/plus/along with/together with/and also/and then/alongside")
AND_OR_BUT = phrases("and/as well as/and also/but/but also/yet")
OR = phrases("or")
NOR = phrases("nor/or")
JOINTS = phrases(
    "and/but/while/whereas/yet/although/though/with/plus/including/as well as/along with/however/and yet/meanwhile/"
    "so/and so/where/together with/among them/with only/featuring/specifically/namely/or rather"
)
BOTH = phrases("both")
FRAGMENT_JOINTS = ("but", "with", "including", "featuring", "specifically", "namely", "plus")
NEITHER = phrases("neither")
EITHER = phrases("either")
SIGHT = phrases("i see/i can see/i have/i notice/we see/you see")
LOOK_AT = phrases("if you look at/if i look at/looking at/consider/take/as for/when you look at/look at/starting from")
NOTHING_ELSE = phrases(
    "nothing else/nothing more/that is it/that is all/that 's it/that 's all/no other objects/no others/"
    "there is nothing else/there 's nothing else/and that is it/no more/nothing else is there/no other object/"
    "nothing other than that/there are no other objects/there are no others"
)

PICTURES = phrases(
    "/".join(f"{whose} {word}" for whose in ("my", "the", "this") for word in PICTURE_WORDS.split("/"))
    + "/the picture i have/the picture i see/the image i see/the scene i see/mine/it/this/what i see/"
    "what i have/one thing i see/one thing i notice/the setup"
)
SPEAKERS = phrases("i/we/you/one")
ONLY_ADVERB = phrases("only/just/exclusively")
SEE = phrases(
    "see/have/notice/spot/find/observe/count/can see/can spot/can find/can count/can make out/can observe/"
    "'ve got/got/have got/am looking at/'m looking at/'m seeing/am seeing/will see/could see/will find/"
    "will notice/am able to see/detect/spy"
)
SHOWS = phrases(
    "has/contains/shows/includes/features/displays/depicts/holds/presents/contain/show/include/feature/have/display/"
    "is showing/hold/is/'s/depict/has got/'s got/is composed of/captures"
)
CONSISTS = phrases(
    "consists of/consist of/is made up of/is comprised of/comprises/is composed of/is composed only of/"
    "consists only of/is limited to"
)
A_SCENE_WITH = phrases(
    "/".join(
        f"{a} {word} {of}"
        for a in ("a", "a simple")
        for word in PICTURE_WORDS.split("/")
        for of in ("with", "of", "containing", "featuring", "that has", "that contains", "showing", "consisting of")
    )
)
THERE_IS = phrases(
    "there is/there are/there 's/there exists/there exist/there appears to be/there appear to be/"
    "there seems to be/there seem to be/there happens to be/there happen to be/there must be/here is/"
    "here are/here we have/there lies/there sits/there stands/there has to be/there 're/it is/it 's/this is/"
    "there are present/there can be seen/there looks to be"
)
LACKS = phrases("lacks/is missing/lack/is without/is devoid of/is free of/without/with no")
WITHOUT = phrases("without")
DENIALS = phrases(
    "it is not true that/it is not the case that/i do not think/i do not think that/i do not believe/"
    "i do not believe that/it 's not true that/it 's not the case that/it is false that"
)
