"""The words that make sentences: verbs, openings, joints, and what may be left out of them without loss."""

from __future__ import annotations

from stages.evaluate.claims.lexicon.words import Table, listed, phrases

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
    "visible/present/there/in view/in sight/seen/found/to be seen/to be found/represented/in existence/shown"
)
EXISTS = phrases("exists/exist/can be seen/can be found/appears/appear")
MADE_OF = phrases("made of/made from/made out of/of/constructed from/constructed of/crafted from/composed of/in/"
                  "made entirely of/made up of/built from/formed from")  # fmt: skip
IN_COLOR = phrases("in color/in colour/in shape/in size/in material/in texture/in appearance/in finish/in form/colored/"
                   "coloured/looking/in hue")  # fmt: skip
COLORED = phrases("colored/coloured/painted")
WHOSE = phrases("whose")
ITS = phrases("its/the")
BOTH_OR_ALL = phrases("both/all/each")

ONE_OF = phrases("one of")
SAME = phrases("the same/the exact same/the very same/same/identical/the identical/equal/matching/the same exact/a common/"
               "one common/a single/one")  # fmt: skip
DIFFERENT = phrases("different/a different/distinct/unique/a unique/its own/its own unique/another/differing/varying/"
                    "an individual/a distinct/completely different/entirely different/separate")  # fmt: skip
SAME_AS = phrases("the same as/the same as that of/identical to/identical to that of/the same as the color of/"
                  "the same as the colour of/the same as the size of/the same as the shape of/the same as the material of")  # fmt: skip
AS = phrases("as/like/than/from/to/with")
THAN = phrases("than")
SHARES = phrases("shares/share/sharing")
MATCHES = phrases("matches/match/is identical to/are identical to/is the same as/equals")
DIFFERS_IN = phrases("differ/differs/vary")
ANY_OTHER = phrases("any other/every other/all other")
DIFFERS = phrases("differs from/differ from/is different from")
IDENTICAL = phrases("identical/alike/the same/uniform/matching")
OF = phrases("of")
IN = phrases("in/by")

IN_DIFFERENT = phrases(
    "in different/of different/with different/in various/of various/in distinct/of distinct/in differing"
)
KINDS = phrases("kinds of/types of/sorts of/kind of/type of/varieties of")
DISTINCT = phrases("different/distinct/unique/various/separate")
IN_KINDS = phrases("of/in/with/across/come in/comes in/are of/are in/have/span/use/share/are made of")
COMMON = Table({"most common": "more", "commonest": "more", "most frequent": "more", "predominant": "more",
                "dominant": "more", "least common": "fewer", "rarest": "fewer"})  # fmt: skip

MORE = Table({"more": "more", "fewer": "fewer", "less": "fewer", "equally many": "equal"})
AS_MANY = Table({"as many": ("equal", 0), "just as many": ("equal", 0), "exactly as many": ("equal", 0),
                 "twice as many": ("times", 2), "three times as many": ("times", 3),
                 "at least as many": ("at least", 0), "exactly twice as many": ("times", 2)})  # fmt: skip
COMBINED = phrases("combined/put together/together/taken together")
EQUAL_NUMBER = phrases("the same number of/an equal number of/equal numbers of/the same amount of/an equal amount of/"
                       "same number of/exactly the same number of/the same count of/an identical number of")  # fmt: skip
NUMBER_OF = phrases("the number of/the total number of/the count of/the total count of/the amount of")
OUTNUMBER = Table({"outnumber": "more", "outnumbers": "more", "are more numerous than": "more",
                   "are less numerous than": "fewer", "are outnumbered by": "fewer", "are fewer than": "fewer"})  # fmt: skip
RELATES = Table({"equals": "equal", "is equal to": "equal", "is the same as": "equal", "matches": "equal",
                 "is greater than": "more", "is larger than": "more", "exceeds": "more", "is higher than": "more",
                 "is bigger than": "more", "is less than": "fewer", "is smaller than": "fewer", "is fewer than": "fewer",
                 "is lower than": "fewer"})  # fmt: skip

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

_PICTURES = "picture/image/scene/view/photo/frame/board/render/rendering/photograph/composition/arrangement"
PICTURES = phrases("/".join(f"{whose} {word}" for whose in ("my", "the", "this") for word in _PICTURES.split("/"))
                   + "/mine/it/this/what i see/what i have/one thing i see/one thing i notice/the setup")  # fmt: skip
SPEAKERS = phrases("i/we/you/one")
ONLY_ADVERB = phrases("only/just/exclusively")
SEE = phrases(
    "see/have/notice/spot/find/observe/count/can see/can spot/can find/can count/can make out/can observe/'ve got/got/have got/"
    "am looking at/'m looking at/'m seeing/am seeing/will see/could see/will find/will notice/am able to see/detect"
)
SHOWS = phrases(
    "has/contains/shows/includes/features/displays/depicts/holds/presents/contain/show/include/feature/have/display/"
    "is showing/hold/is/'s/depict/has got/has at least/is just/is composed of/captures"
)
CONSISTS = phrases("consists of/consist of/is made up of/is comprised of/comprises/is composed of/is composed only of/"
                   "consists only of/is limited to")  # fmt: skip
A_SCENE_WITH = phrases(
    "/".join(f"{a} {word} {of}" for a in ("a", "a simple") for word in _PICTURES.split("/")
             for of in ("with", "of", "containing", "featuring", "that has", "that contains", "showing", "consisting of"))
)  # fmt: skip
THERE_IS = phrases(
    "there is/there are/there 's/there exists/there exist/there appears to be/there appear to be/there seems to be/"
    "there seem to be/there happens to be/there happen to be/there must be/here is/here are/there lies/there sits/"
    "there stands/there has to be/there 're/it is/it 's/this is/there are present/there can be seen/there looks to be"
)
FEATURED = phrases("contained/included/shown/present/visible/seen/featured/depicted")
LACKS = phrases("lacks/is missing/lack/is without/is devoid of/is free of/without/with no")
WITHOUT = phrases("without")
DENIALS = phrases(
    "it is not true that/it is not the case that/i do not think/i do not think that/i do not believe/"
    "i do not believe that/it 's not true that/it 's not the case that/it is false that"
)

# Left out before reading: they change nothing that a scene decides.
FILLERS = phrases(
    "i think/i believe/i would say/i 'd say/i guess/i am sure/i 'm sure/i am pretty sure/i can say/i can tell you/"
    "i can tell/i can tell that/i think that/i believe that/it looks like/it looks as if/it seems like/it seems that/"
    "it appears that/it seems as if/looks like/seems like/as far as i can tell/as far as i can see/from what i can see/"
    "if i am not mistaken/if i see correctly/in my opinion/i notice that/i see that/i can see that/i noticed that/"
    "we can see that/you can see that/one can see that/i will say/i 'll say/i would note that/note that/the fact that/"
    "it is clear that/it is true that/it 's true that/that i can see/that i see/in this case/of course/by the way/"
    "in my picture/in the picture/in my image/in the image/in this picture/in this image/in my scene/in the scene/"
    "in this scene/in my view/in my photo/in the photo/in the frame/on my side/in mine/on my picture/in my frame/"
    "within the scene/within the image/within my picture/within the picture/across the scene/in the whole picture/"
    "in the whole scene/in the whole image/in the entire scene/in the entire picture/among the objects/amongst the objects/among these objects/in the entire image/"
    "on the picture/on my image/from my perspective/from my point of view/from here/"
    ""
    "clearly/definitely/obviously/certainly/actually/basically/simply/really/indeed/noticeably/visibly/apparently/"
    "probably/likely/surely/literally/evidently/distinctly/particularly/prominently/notably/interestingly/"
    "also/too/as well/in total/in all/altogether/overall/all together/all in all/on the whole/"
    "very/quite/fairly/pretty/relatively/rather/well/okay/ok/so/hmm/smooth/sleek/in here/in there/looking at the scene/looking at the picture/looking at the image/"
    "looking at my picture/when i look at the picture/when i look at the image/at first glance/let me see/my clue is/my clue/clue/hint/"
    "here is my clue/noticeable/prominent/notable/solid/simple/plain/3d/three dimensional/geometric/"
    "at all/whatsoever/anywhere/somewhere/at the moment/to be exact/to be precise/for sure/for certain/in particular/"
    "in fact/furthermore/moreover/additionally/in addition/here/itself/please"
)
# Not fillers where they stand in these.
KEPT = phrases("as well as/very left/very right/very back/very front/very rear/so are/so is/in all three/in all four")
# A closing remark about the look of it all; it may name no more than the words of `REMARKS_NAME`.
REMARKS = phrases(
    "adding/creating/giving/making/lending/providing/forming/which adds/which makes/which gives/which creates/"
    "that adds/that stands out/which stands out/standing out/that catches my eye/catching the light/catching my eye/"
    "it stands out/they stand out/contrasting/bringing/which catches my eye/drawing the eye/that draws the eye"
)
REMARKS_NAME = frozenset(
    listed("a/an/the/to/of/and/it/its/my/me/in/with/scene/picture/image/view/color/colour/some/this/that/light/eye/all/is/as/"
           "shape/shapes/colors/colours/material/materials/size/surface/surfaces/texture/textures/finish/finishes/"
           "i/by/from/on/for/them/very")
)  # fmt: skip
