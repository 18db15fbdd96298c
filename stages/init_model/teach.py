"""Teaching the tiny model: first to see, then the game; ended on purpose before it plays well."""

from __future__ import annotations

from collections.abc import Callable
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
    vote_prompt,
)
from stages.init_model.pictures import Album
from stages.init_model.plan import Course, Teaching
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


class Teacher:
    """Teaches a model on an album of pictures. Draws the cell heads from torch's generator, which `seed` sets."""

    def __init__(
        self,
        plan: Teaching,
        rules: Game,
        model: LlavaForConditionalGeneration,
        processor: LlavaProcessor,
        album: Album,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self.plan, self.rules, self.model, self.processor, self.album = plan, rules, model, processor, album
        self.pixels = to_pixels(processor, list(album.pictures))
        self.cells = cell_labels(album.views)
        self.heads = CellHeads(plan.body.text_width)
        self.dice = rng(seed, "init-model", "lessons")

    def look(self, progress: Progress | None = None) -> float:
        """Teach the vision tower and the projector what is in each cell. Returns the last step's loss."""
        return self._learn(self.plan.look, self._look_loss, progress)

    def see(self, progress: Progress | None = None) -> float:
        """Teach the language model to list, check, answer and give clues. Returns the last step's loss."""
        return self._learn(self.plan.see, partial(self._lesson_loss, _SEE_MIX), progress)

    def vote(self, enough: Callable[[], bool], progress: Progress | None = None) -> float:
        """Teach votes until `enough`, which is asked every `measure_every` steps. Returns the last step's loss."""
        return self._learn(self.plan.vote, partial(self._lesson_loss, _VOTE_MIX), progress, enough)

    def settle(self, progress: Progress | None = None) -> float:
        """The lessons of `see` again, at a falling rate. Returns the last step's loss."""
        return self._learn(self.plan.settle, partial(self._lesson_loss, _SEE_MIX), progress)

    def _learn(
        self,
        course: Course,
        loss_of_step: Callable[[], Tensor],
        progress: Progress | None,
        enough: Callable[[], bool] = lambda: False,
    ) -> float:
        weights = [*self.model.parameters(), *self.heads.parameters()]
        optimizer = torch.optim.AdamW(weights, lr=course.rate, betas=(0.9, 0.98), weight_decay=self.plan.weight_decay)
        self.model.train()
        loss = torch.tensor(0.0)
        for step in range(course.steps):
            if step % self.plan.measure_every == 0 and enough():
                break
            loss = loss_of_step()
            for group in optimizer.param_groups:
                group["lr"] = course.rate * _schedule(step, course)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(weights, self.plan.clip)
            optimizer.step()
            (progress or Silent()).advance(1, f"loss {loss.item():.3f}")
        self.model.eval()
        return float(loss.detach())

    def _look_loss(self) -> Tensor:
        count = min(_LOOK_BATCH * self.plan.batch, len(self.pixels))
        rows = self.dice.sample(range(len(self.pixels)), count)
        seen = torch.stack(list(self.model.get_image_features(self.pixels[rows]).pooler_output))
        return self.heads.loss(seen, self.cells[rows])

    def _lesson_loss(self, mix: dict[str, float]) -> Tensor:
        lessons = [self._lesson(mix) for _ in range(self.plan.batch)]
        batch = collate(self.processor, lessons, self.plan.body.visual_tokens)
        out = self.model(input_ids=batch.ids, attention_mask=batch.mask, pixel_values=self.pixels[batch.rows])
        answers = functional.cross_entropy(
            out.logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten(), ignore_index=IGNORED
        )
        seen = out.image_hidden_states.view(len(lessons), self.plan.body.visual_tokens, -1)
        return answers + self.plan.look_weight * self.heads.loss(seen, self.cells[batch.rows])

    def _lesson(self, mix: dict[str, float]) -> Lesson:
        """A lesson of a kind drawn from `mix`; games have up to as many clue rounds as the recipe's."""
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


class Exam:
    """Held-out scripted games, one a pair: the exact probability that the model gives to the spy."""

    def __init__(self, teacher: Teacher, held_out: Album, pixels: Tensor, seed: int) -> None:
        self.teacher, self.pixels, self.lessons = teacher, pixels, list[Lesson]()
        dice, rules = rng(seed, "init-model", "exam"), teacher.rules
        for pair in held_out.pairs:
            game = scripted_game(pair, rules, teacher.plan.lessons, dice)
            prompt = vote_prompt(rules, game.spy, game.clues)
            self.lessons.append(Lesson(prompt, pair.original.picture, boxed(str(game.spy))))

    @torch.no_grad()
    def score(self) -> float:
        """Mean probability of the spy's seat, given the box before it."""
        model = self.teacher.model
        training = model.training
        model.eval()
        batch = collate(self.teacher.processor, self.lessons, self.teacher.plan.body.visual_tokens)
        out = model(input_ids=batch.ids, attention_mask=batch.mask, pixel_values=self.pixels[batch.rows])
        model.train(training)
        seats = out.logits[:, -_AFTER_SEAT - 1].softmax(-1)
        return float(seats.gather(1, batch.ids[:, -_AFTER_SEAT].unsqueeze(1)).mean())
