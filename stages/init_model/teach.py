"""Teaching the tiny model: first to see, then the game; ended on purpose before it plays well."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.core.progress import Progress, Silent
from stages.core.recipe.game import Game
from stages.core.seeds import rng
from stages.init_model.batches import IGNORED, collate, to_pixels
from stages.init_model.lessons import (
    Lesson,
    View,
    ask_lesson,
    boxed,
    check_lesson,
    clue_lesson,
    list_lesson,
    scripted_game,
    vote_lesson,
)
from stages.init_model.pictures import Album
from stages.init_model.plan import Course, Teaching
from stages.init_model.prompts import vote_prompt
from stages.init_model.tokenizer import COLOURS, SHAPES

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

_LOOK_BATCH = 2  # pictures of `look` per lesson of a batch: a picture costs a tenth of a lesson
_WARM_UP = 20  # steps
# Shares of the kinds of lessons; seeing stays in the mix, so that it is not unlearned.
_SEE_MIX = {"list": 0.2, "check": 0.4, "ask": 0.15, "clue": 0.25}
_VOTE_MIX = {"list": 0.05, "check": 0.2, "ask": 0.1, "clue": 0.25, "vote": 0.4}
_AFTER_SEAT = 3  # tokens of a vote from its seat on: seat, closing brace, <end>


class CellHeads(nn.Module):
    """Reads colour and shape (0 = empty) off the projector's output of each cell; only for teaching."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.colour = nn.Linear(width, 1 + len(COLOURS))
        self.shape = nn.Linear(width, 1 + len(SHAPES))

    def loss(self, seen: Tensor, cells: Tensor) -> Tensor:
        """Cross entropy of `seen` [pictures, cells, width] against `cells` [pictures, cells, 2]."""
        flat, target = seen.flatten(0, 1), cells.flatten(0, 1)
        return functional.cross_entropy(self.colour(flat), target[:, 0]) + functional.cross_entropy(
            self.shape(flat), target[:, 1]
        )


@dataclass
class Classroom:
    """All that teaching needs. `pixels` [pictures, 3, side, side] and `cells` belong to `album`."""

    plan: Teaching
    rules: Game
    model: LlavaForConditionalGeneration
    processor: LlavaProcessor
    album: Album
    pixels: Tensor
    cells: Tensor
    heads: CellHeads
    dice: random.Random

    @classmethod
    def open(
        cls,
        plan: Teaching,
        rules: Game,
        model: LlavaForConditionalGeneration,
        processor: LlavaProcessor,
        album: Album,
        seed: int,
    ) -> Classroom:
        """Draws the heads from torch's generator, which `seed` sets."""
        torch.manual_seed(seed)
        pixels = to_pixels(processor, list(album.pictures))
        heads = CellHeads(plan.body.text_width)
        dice = rng(seed, "init-model", "lessons")
        return cls(plan, rules, model, processor, album, pixels, cell_labels(album.views), heads, dice)

    def look(self, progress: Progress | None = None) -> float:
        """Teach vision tower and projector what is in each cell. Returns the last step's loss."""
        losses = (self._look_loss() for _ in range(self.plan.look.steps))
        return self._learn(self.plan.look, losses, progress or Silent())

    def see(self, progress: Progress | None = None) -> float:
        """Teach the language model to list, check, answer and give clues. Returns the last step's loss."""
        losses = (self._lesson_loss(partial(self._lesson, _SEE_MIX)) for _ in range(self.plan.see.steps))
        return self._learn(self.plan.see, losses, progress or Silent())

    def vote(self, enough: Callable[[], bool], progress: Progress | None = None) -> float:
        """Teach votes until `enough`, asked every `measure_every` steps. Returns the last step's loss."""

        def losses() -> Iterator[Tensor]:
            for step in range(self.plan.vote.steps):
                if step % self.plan.measure_every == 0 and enough():
                    return
                yield self._lesson_loss(partial(self._lesson, _VOTE_MIX))

        return self._learn(self.plan.vote, losses(), progress or Silent())

    def settle(self, progress: Progress | None = None) -> float:
        """The lessons of `see` again, at a falling rate. Returns the last step's loss."""
        losses = (self._lesson_loss(partial(self._lesson, _SEE_MIX)) for _ in range(self.plan.settle.steps))
        return self._learn(self.plan.settle, losses, progress or Silent())

    def _learn(self, course: Course, losses: Iterator[Tensor], progress: Progress) -> float:
        weights = [*self.model.parameters(), *self.heads.parameters()]
        optimizer = torch.optim.AdamW(weights, lr=course.rate, betas=(0.9, 0.98), weight_decay=self.plan.weight_decay)
        self.model.train()
        loss = torch.tensor(0.0)
        for step, loss in enumerate(losses):
            for group in optimizer.param_groups:
                group["lr"] = course.rate * _schedule(step, course)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(weights, self.plan.clip)
            optimizer.step()
            progress.advance(1, f"loss {loss.item():.3f}")
        self.model.eval()
        return float(loss.detach())

    def _look_loss(self) -> Tensor:
        count = min(_LOOK_BATCH * self.plan.batch, len(self.pixels))
        rows = self.dice.sample(range(len(self.pixels)), count)
        seen = torch.stack(list(self.model.get_image_features(self.pixels[rows]).pooler_output))
        return self.heads.loss(seen, self.cells[rows])

    def _lesson_loss(self, draw: Callable[[], Lesson]) -> Tensor:
        lessons = [draw() for _ in range(self.plan.batch)]
        batch = collate(self.processor, lessons, self.plan.body.visual_tokens)
        out = self.model(input_ids=batch.ids, attention_mask=batch.mask, pixel_values=self.pixels[batch.rows])
        answers = functional.cross_entropy(
            out.logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten(), ignore_index=IGNORED
        )
        seen = out.image_hidden_states.view(len(lessons), self.plan.body.visual_tokens, -1)
        return answers + self.plan.look_weight * self.heads.loss(seen, self.cells[batch.rows])

    def _lesson(self, mix: dict[str, float]) -> Lesson:
        """A lesson of a kind drawn from `mix`; games of fewer clue rounds than the recipe's are met too."""
        kind = self.dice.choices(list(mix), list(mix.values()))[0]
        pair = self.dice.choice(self.album.pairs)
        view = self.dice.choice((pair.original, pair.modified))
        rules = self.rules.model_copy(update={"clue_rounds": self.dice.randint(1, self.rules.clue_rounds)})
        if kind == "list":
            return list_lesson(view)
        if kind == "ask":
            return ask_lesson(view, self.dice)
        if kind == "check":
            return check_lesson(view, rules, self.dice)
        teach = clue_lesson if kind == "clue" else vote_lesson
        return teach(pair, rules, self.plan.lessons, self.dice)


def _schedule(step: int, course: Course) -> float:
    """Share of the highest rate at `step` (from 0): up in a few steps, then down in a line."""
    down = 1 - (1 - course.last) * step / max(course.steps, 1)
    return min(1.0, (step + 1) / _WARM_UP) * down


def cell_labels(views: list[View]) -> Tensor:
    """[views, cells, 2]: colour and shape of each cell, from 1 in vocabulary order; 0 where it is empty."""

    def label(thing: str | None) -> tuple[int, int]:
        if thing is None:
            return 0, 0
        colour, shape = thing.split()
        return 1 + COLOURS.index(colour), 1 + SHAPES.index(shape)

    return torch.tensor([[label(thing) for thing in view.cells] for view in views])


@dataclass
class Exam:
    """Held-out scripted games: the probability that the model gives to the spy, exactly, without sampling."""

    room: Classroom
    lessons: list[Lesson]
    pixels: Tensor

    @classmethod
    def prepare(cls, room: Classroom, held_out: Album, pixels: Tensor, seed: int) -> Exam:
        """One vote a pair; every label is the true spy."""
        dice, rules = rng(seed, "init-model", "exam"), room.rules
        lessons = []
        for pair in held_out.pairs:
            game = scripted_game(pair, rules, room.plan.lessons, dice)
            prompt = vote_prompt(rules, game.spy, game.clues)
            lessons.append(Lesson(prompt, pair.original.picture, boxed(str(game.spy))))
        return cls(room, lessons, pixels)

    @torch.no_grad()
    def mark(self) -> float:
        """Mean probability of the spy's seat, the box before it given."""
        model = self.room.model
        training = model.training
        model.eval()
        batch = collate(self.room.processor, self.lessons, self.room.plan.body.visual_tokens)
        out = model(input_ids=batch.ids, attention_mask=batch.mask, pixel_values=self.pixels[batch.rows])
        model.train(training)
        seats = out.logits[:, -_AFTER_SEAT - 1].softmax(-1)
        mark = seats.gather(1, batch.ids[:, -_AFTER_SEAT].unsqueeze(1)).mean()
        return float(mark)
