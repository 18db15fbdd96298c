"""What may be left out of a clue before it is read, since it changes nothing that a scene decides."""

from __future__ import annotations

from stages.evaluate.claims.lexicon.words import listed, phrases

PICTURE_WORDS = "picture/image/scene/view/photo/frame/board/render/rendering/photograph/composition/arrangement"
IN_PICTURE = [
    f"{where} {whose} {word}"
    for where in ("in", "on", "within", "inside", "across")
    for whose in ("my", "the", "this", "the whole", "the entire", "my whole")
    for word in PICTURE_WORDS.split("/")
]

HEDGES = (
    "i think/i think that/i believe/i believe that/i would say/i would say that/i 'd say/i guess/i am sure/"
    "i am pretty sure/i can say/i can say that/i can tell/i can tell that/i can tell you/i can tell you that/"
    "it looks like/it looks as if/it seems like/it seems that/it seems as if/it appears that/looks like/"
    "seems like/as far as i can tell/as far as i can see/from what i can see/from what i see/"
    "if i am not mistaken/if i see correctly/in my opinion/i notice that/i noticed that/i see that/"
    "i can see that/i observe that/we can see that/you can see that/one can see that/i will say/"
    "i will say that/i 'll say/i would note that/note that/notice that/the fact that/it is clear that/"
    "it is true that/it 's true that/that i can see/that i see/in this case/of course/by the way/let me see/"
    "my clue is/my clue is that/my clue/here is my clue/clue/hint/look ,/well ,/okay ,/hmm ,/at first glance/"
    "from my perspective/from my point of view/from here/on my side/in mine/in here/in there/at the moment/"
    "in it/looking at the scene/looking at the picture/looking at the image/looking at my picture/"
    "looking at my image/when i look at the picture/when i look at the image/when i look at my picture/"
    "among other things"
)
ADVERBS = (
    "clearly/definitely/obviously/certainly/actually/basically/simply/really/indeed/noticeably/visibly/"
    "apparently/probably/likely/surely/literally/evidently/distinctly/particularly/prominently/notably/"
    "interestingly/also/too/as well/in total/in all/altogether/overall/all together/all in all/on the whole/"
    "very/quite/fairly/pretty/relatively/rather/well/okay/ok/so/hmm/at all/whatsoever/anywhere/somewhere/"
    "to be exact/to be precise/for sure/for certain/in particular/in fact/furthermore/moreover/additionally/"
    "in addition/here/itself/please"
)
ADJECTIVES = "noticeable/prominent/notable/solid/simple/plain/smooth/sleek/3d/three dimensional/geometric"
FILLERS = phrases("/".join((HEDGES, ADVERBS, ADJECTIVES, *IN_PICTURE)))
# Not fillers where they stand in these.
KEPT = phrases(
    "as well as/very left/very right/very back/very front/very rear/so are/so is/in all three/in all four/"
    "here is/here are/here we/" + "/".join(f"{verb} {place}" for verb in ("is", "are", "'s") for place in IN_PICTURE)
)

# A closing remark about the look of it all; it may name no more than the words of `REMARKS_NAME`.
REMARKS = phrases(
    "adding/creating/giving/making/lending/providing/forming/which adds/which makes/which gives/"
    "which creates/that adds/that gives/that makes/that stands out/which stands out/standing out/"
    "that catches my eye/catching the light/catching my eye/it stands out/they stand out/contrasting/"
    "bringing/which catches my eye/drawing the eye/that draws the eye/which stand out/that stand out"
)
REMARKS_NAME = frozenset(
    listed(
        "a/an/the/to/of/and/it/its/my/me/in/with/scene/picture/image/view/color/colour/some/this/that/light/eye/"
        "all/is/as/shape/shapes/colors/colours/material/materials/size/surface/surfaces/texture/textures/finish/"
        "finishes/i/by/from/on/for/them/very"
    )
)
