"""How well the tiny model plays: whole games on held-out pictures, with its own clues, read by the game's readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stages.core.game.prompting import Message
from stages.core.game.readers import UNREADABLE_CLUE, read_clue, read_vote
from stages.core.game.rules import Clue
from stages.core.game.votes import Vote
from stages.core.recipe.game import Game
from stages.core.seeds import derive, rng
from stages.init_model.batches import pad_left, prompt_ids
from stages.init_model.lessons import Pair, View, ask_lesson
from stages.init_model.prompts import clue_prompt, vote_prompt

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

_ANSWER_TOKENS = 12  # an answer of the game has five


@dataclass(frozen=True)
class Quality:
    """Shares from 0 to 1, sampled at temperature 1 unless said otherwise."""

    games: int
    vote_accuracy: float  # sampled votes that name the spy; chance is 1 / players
    vote_accuracy_greedy: float  # the same for the likeliest vote
    vote_na: float
    vote_readable: float  # N/A is readable
    clue_readable: float
    clue_true_civilian: float  # names a thing of the speaker's own picture
    clue_true_spy: float
    clue_new: float  # not said before in the game
    spy_exposed: float  # games in which the spy said something untrue of the civilians' picture
    answers_right: float  # questions about a picture, likeliest answer; see stages/core/clevr/questions.py

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Said:
    """An answer without special tokens."""

    text: str
    truncated: bool


@dataclass
class Voice:
    """The model, answering prompts about the held-out pictures `pixels` [pictures, 3, side, side]."""

    model: LlavaForConditionalGeneration
    processor: LlavaProcessor
    pixels: Tensor

    @torch.no_grad()
    def say(
        self, prompts: Sequence[list[Message]], pictures: Sequence[int], *, samples: int = 1, greedy: bool = False
    ) -> list[list[Said]]:
        """`samples` answers to each prompt."""
        tokenizer = self.processor.tokenizer
        ids, mask = pad_left(prompt_ids(self.processor, prompts, self.model.config.image_seq_length), tokenizer)
        with_picture = {"input_ids": ids, "attention_mask": mask, "pixel_values": self.pixels[list(pictures)]}
        how = {"do_sample": False} if greedy else {"do_sample": True, "num_return_sequences": samples, "top_k": 0}
        out = self.model.generate(**with_picture, **how, max_new_tokens=_ANSWER_TOKENS)
        answers = out[:, ids.shape[1] :]
        texts = tokenizer.batch_decode(answers, skip_special_tokens=True)
        ended = (answers == tokenizer.eos_token_id).any(dim=1).tolist()
        said = [Said(text, not end) for text, end in zip(texts, ended, strict=True)]
        return [said[start : start + samples] for start in range(0, len(said), samples)]


@dataclass
class _Table:
    """One game while it is played."""

    pair: Pair
    spy: int
    clues: list[Clue]

    def view(self, player: int) -> View:
        return self.pair.modified if player == self.spy else self.pair.original


def play(voice: Voice, pairs: Sequence[Pair], rules: Game, *, seed: int) -> Quality:
    """One game a pair, all at once, turn by turn. Draws from torch's generator, which it seeds."""
    torch.manual_seed(derive(seed, "init-model", "measure"))
    dice = rng(seed, "init-model", "measure", "spies")
    tables = [_Table(pair, dice.randint(1, rules.players), []) for pair in pairs]
    for turn in range(rules.players * rules.clue_rounds):
        _everyone_speaks(voice, tables, rules, turn)
    prompts = [vote_prompt(rules, table.spy, table.clues) for table in tables]
    pictures = [table.pair.original.picture for table in tables]
    sampled = voice.say(prompts, pictures, samples=rules.votes)
    likeliest = voice.say(prompts, pictures, greedy=True)
    return _judge(tables, rules, sampled, likeliest, _answers(voice, pairs, seed))


def _answers(voice: Voice, pairs: Sequence[Pair], seed: int) -> list[bool]:
    """Whether the likeliest answer is right, one question a picture."""
    dice = rng(seed, "init-model", "measure", "questions")
    lessons = [ask_lesson(view, dice) for pair in pairs for view in (pair.original, pair.modified)]
    said = voice.say([lesson.prompt for lesson in lessons], [lesson.picture for lesson in lessons], greedy=True)
    return [answer.text.strip() == lesson.answer for (answer,), lesson in zip(said, lessons, strict=True)]


def _everyone_speaks(voice: Voice, tables: Sequence[_Table], rules: Game, turn: int) -> None:
    player = turn % rules.players + 1
    prompts = [clue_prompt(rules, table.spy, table.clues) for table in tables]
    said = voice.say(prompts, [table.view(player).picture for table in tables])
    for table, (answer,) in zip(tables, said, strict=True):
        clue = read_clue(answer.text, rules.clue_chars, answer.truncated) or UNREADABLE_CLUE
        table.clues.append(Clue(player, turn // rules.players + 1, clue))


def _judge(
    tables: Sequence[_Table],
    rules: Game,
    sampled: list[list[Said]],
    likeliest: list[list[Said]],
    answers: Sequence[bool],
) -> Quality:
    votes, best = _votes(tables, rules, sampled), _votes(tables, rules, likeliest)
    clues = [(table, clue) for table in tables for clue in table.clues]
    true = [(clue.player == table.spy, clue.text in table.view(clue.player).things) for table, clue in clues]
    exposed = [
        any(clue.player == table.spy and clue.text not in table.pair.original.things for clue in table.clues)
        for table in tables
    ]
    new = [
        clue.text not in {before.text for before in table.clues[:place]}
        for table in tables
        for place, clue in enumerate(table.clues)
    ]
    return Quality(
        games=len(tables),
        vote_accuracy=_share([_names(spy, vote) for spy, vote in votes]),
        vote_accuracy_greedy=_share([_names(spy, vote) for spy, vote in best]),
        vote_na=_share([vote.kind == "na" for _, vote in votes]),
        vote_readable=_share([vote.kind != "unreadable" for _, vote in votes]),
        clue_readable=_share([clue.text != UNREADABLE_CLUE for _, clue in clues]),
        clue_true_civilian=_share([good for spy, good in true if not spy]),
        clue_true_spy=_share([good for spy, good in true if spy]),
        clue_new=_share(new),
        spy_exposed=_share(exposed),
        answers_right=_share(answers),
    )


def _votes(tables: Sequence[_Table], rules: Game, said: list[list[Said]]) -> list[tuple[int, Vote]]:
    """The spy of the game beside each vote."""
    return [
        (table.spy, read_vote(answer.text, rules.players, answer.truncated))
        for table, answers in zip(tables, said, strict=True)
        for answer in answers
    ]


def _names(spy: int, vote: Vote) -> bool:
    return vote.kind == "seat" and vote.seat == spy


def _share(those: Sequence[bool]) -> float:
    return sum(those) / len(those) if those else 0.0
