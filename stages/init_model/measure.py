"""Measures how well a model plays after its lessons: whole games on held-out pictures, with the game's own readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stages.core.game.prompting import Message
from stages.core.game.readers import UNREADABLE_CLUE, read_clue, read_vote
from stages.core.game.rules import Clue
from stages.core.game.votes import Vote
from stages.core.recipe.game import Game
from stages.core.seeds import derive, rng
from stages.init_model.batches import pad_left, prompt_ids
from stages.init_model.lessons import Lesson, Pair, Speech, View, clue_prompt, vote_prompt
from stages.init_model.plan import Teaching

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor


def _share_of(meaning: str) -> Any:
    return field(metadata={"meaning": meaning})


@dataclass(frozen=True)
class Quality:
    """Shares from 0 to 1, sampled at temperature 1 unless the meaning says otherwise."""

    games: int
    vote_accuracy: float = _share_of("sampled votes that name the spy")  # chance is 1 / players
    vote_accuracy_greedy: float = _share_of("the likeliest vote names the spy")
    vote_na: float = _share_of("sampled votes that abstain (N/A)")
    vote_readable: float = _share_of("sampled votes that can be read")  # N/A is readable
    clue_readable: float = _share_of("clues that can be read")
    clue_true_civilian: float = _share_of("civilians' clues that are true of their picture")
    clue_true_spy: float = _share_of("the spy's clues that are true of its picture")
    clue_new: float = _share_of("clues not said before in the game")
    spy_exposed: float = _share_of("games in which the spy says something untrue of the civilians' picture")
    answers_right: float = _share_of("questions about a picture (exist, count, query, compare) answered right")

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Said:
    """An answer without special tokens."""

    text: str
    truncated: bool


@dataclass
class Voice:
    """The model, which answers prompts about the held-out pictures `pixels` [pictures, 3, side, side]."""

    model: LlavaForConditionalGeneration
    processor: LlavaProcessor
    pixels: Tensor
    speech: Speech
    plan: Teaching

    @torch.no_grad()
    def say(
        self, prompts: Sequence[list[Message]], pictures: Sequence[int], *, samples: int = 1, greedy: bool = False
    ) -> list[list[Said]]:
        """`samples` answers to each prompt."""
        size = max(self.plan.at_once // samples, 1)
        parts = range(0, len(prompts), size)
        return [
            said
            for start in parts
            for said in self._say(prompts[start : start + size], pictures[start : start + size], samples, greedy)
        ]

    def _say(
        self, prompts: Sequence[list[Message]], pictures: Sequence[int], samples: int, greedy: bool
    ) -> list[list[Said]]:
        tokenizer = self.processor.tokenizer
        ids, mask = pad_left(prompt_ids(self.processor, prompts, self.model.config.image_seq_length), tokenizer)
        pixels = self.pixels[list(pictures)].to(self.model.dtype)
        with_picture = {"input_ids": ids, "attention_mask": mask, "pixel_values": pixels}
        how = {"do_sample": False} if greedy else {"do_sample": True, "num_return_sequences": samples, "top_k": 0}
        out = self.model.generate(**with_picture, **how, max_new_tokens=self.plan.answer_tokens)
        answers = out[:, ids.shape[1] :]
        texts = tokenizer.batch_decode(answers, skip_special_tokens=True)
        ended = (answers == tokenizer.eos_token_id).any(dim=1).tolist()
        said = [Said(text, not end) for text, end in zip(texts, ended, strict=True)]
        return [said[start : start + samples] for start in range(0, len(said), samples)]

    def right(self, lessons: Sequence[Lesson]) -> float:
        """The share of lessons whose likeliest answer is right."""
        said = self.say([lesson.prompt for lesson in lessons], [lesson.picture for lesson in lessons], greedy=True)
        return _share([answer.text.strip() == lesson.answer for (answer,), lesson in zip(said, lessons, strict=True)])


@dataclass
class _Game:
    """A game in progress."""

    pair: Pair
    spy: int
    clues: list[Clue]

    def view(self, player: int) -> View:
        return self.pair.modified if player == self.spy else self.pair.original


def play(voice: Voice, pairs: Sequence[Pair], rules: Game, *, seed: int) -> Quality:
    """Play one game per pair, all at once, turn by turn. Seeds torch's generator and draws from it."""
    torch.manual_seed(derive(seed, "init-model", "measure"))
    dice = rng(seed, "init-model", "measure", "spies")
    games = [_Game(pair, dice.randint(1, rules.players), []) for pair in pairs]
    for turn in range(rules.players * rules.clue_rounds):
        _play_turn(voice, games, rules, turn)
    prompts = [vote_prompt(rules, game.spy, game.clues) for game in games]
    pictures = [game.pair.original.picture for game in games]
    sampled = voice.say(prompts, pictures, samples=rules.votes)
    likeliest = voice.say(prompts, pictures, greedy=True)
    return _judge(voice.speech, games, rules, sampled, likeliest, voice.right(_questions(voice, pairs, seed)))


def _questions(voice: Voice, pairs: Sequence[Pair], seed: int) -> list[Lesson]:
    """One question per picture."""
    dice = rng(seed, "init-model", "measure", "questions")
    return [voice.speech.question(view, dice) for pair in pairs for view in (pair.original, pair.modified)]


def _play_turn(voice: Voice, games: Sequence[_Game], rules: Game, turn: int) -> None:
    player = turn % rules.players + 1
    prompts = [clue_prompt(rules, game.spy, game.clues) for game in games]
    said = voice.say(prompts, [game.view(player).picture for game in games])
    for game, (answer,) in zip(games, said, strict=True):
        clue = read_clue(answer.text, rules.clue_chars, answer.truncated) or UNREADABLE_CLUE
        game.clues.append(Clue(player, turn // rules.players + 1, clue))


def _judge(
    speech: Speech,
    games: Sequence[_Game],
    rules: Game,
    sampled: list[list[Said]],
    likeliest: list[list[Said]],
    answers_right: float,
) -> Quality:
    votes, best = _votes(games, rules, sampled), _votes(games, rules, likeliest)
    clues = [(game, clue) for game in games for clue in game.clues]
    true = [(clue.player == game.spy, speech.is_true(clue.text, game.view(clue.player))) for game, clue in clues]
    exposed = [
        any(clue.player == game.spy and not speech.is_true(clue.text, game.pair.original) for clue in game.clues)
        for game in games
    ]
    new = [
        clue.text not in {before.text for before in game.clues[:place]}
        for game in games
        for place, clue in enumerate(game.clues)
    ]
    return Quality(
        games=len(games),
        vote_accuracy=_share([_names(spy, vote) for spy, vote in votes]),
        vote_accuracy_greedy=_share([_names(spy, vote) for spy, vote in best]),
        vote_na=_share([vote.kind == "na" for _, vote in votes]),
        vote_readable=_share([vote.kind != "unreadable" for _, vote in votes]),
        clue_readable=_share([clue.text != UNREADABLE_CLUE for _, clue in clues]),
        clue_true_civilian=_share([good for spy, good in true if not spy]),
        clue_true_spy=_share([good for spy, good in true if spy]),
        clue_new=_share(new),
        spy_exposed=_share(exposed),
        answers_right=answers_right,
    )


def _votes(games: Sequence[_Game], rules: Game, said: list[list[Said]]) -> list[tuple[int, Vote]]:
    """Each vote with the spy of its game."""
    return [
        (game.spy, read_vote(answer.text, rules.players, answer.truncated))
        for game, answers in zip(games, said, strict=True)
        for answer in answers
    ]


def _names(spy: int, vote: Vote) -> bool:
    return vote.kind == "seat" and vote.seat == spy


def _share(those: Sequence[bool]) -> float:
    return sum(those) / len(those) if those else 0.0
