"""Teaches a model first to see, then to speak, then to play; stops on purpose before it plays well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.core.progress import Progress, Silent
from stages.core.recipe.game import Game
from stages.core.seeds import rng
from stages.core.vlm.arithmetic import has_bfloat16
from stages.init_model.batches import IGNORED, Batch, collate, to_pixels
from stages.init_model.compact import Compact
from stages.init_model.lessons import Lesson, Speech
from stages.init_model.pictures import Album
from stages.init_model.plan import Course, Teaching
from stages.init_model.saved import SavedTeaching
from stages.init_model.sight import CellHeads, WordTargets, cell_labels

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

    from stages.init_model.english.plain import PlainTexts

_WARM_UP = 20  # steps
_SAVE_EVERY = 10  # steps between two saved states
Group = dict[str, Any]  # an optimizer's `params`, and their highest `rate`


class Teacher:
    """Teaches a model on an album of pictures. Draws the cell heads from torch's generator, seeded with `seed`.

    In a model with an adapter, the adapter learns, and the language model's own weights stay unchanged. `state` is a
    file from which an interrupted teaching continues.
    """

    def __init__(
        self,
        plan: Teaching,
        rules: Game,
        model: LlavaForConditionalGeneration,
        processor: LlavaProcessor,
        album: Album,
        seed: int,
        *,
        speech: Speech | None = None,
        state: Path | None = None,
    ) -> None:
        torch.manual_seed(seed)
        self.plan, self.rules, self.model, self.processor, self.album = plan, rules, model, processor, album
        self.speech: Speech = speech or Compact()
        self.pixels = to_pixels(processor, list(album.pictures))
        self.cells = cell_labels(album.views, plan.attributes)
        self.heads = CellHeads(model.config.text_config.hidden_size, plan.attributes)
        self.dice = rng(seed, "init-model", "lessons")
        self.words = None if plan.adapter is None else WordTargets(model, processor, album.views)
        self.plain: PlainTexts | None = None
        self.taken: dict[str, int] = {}  # steps of each part that is done
        self.saved = SavedTeaching(state, self)

    def look(self, progress: Progress | None = None) -> float:
        """Teach the vision tower and the projector what is in each cell. Returns the last step's loss."""
        return self._learn("look", self.plan.look, self._look_step, progress)

    def see(self, progress: Progress | None = None) -> float:
        """Teach the language model to say what it sees. Returns the last step's loss."""
        return self._learn("see", self.plan.see, partial(self._lesson_step, self.plan.see.mix), progress)

    def vote(self, enough: Callable[[], bool], progress: Progress | None = None) -> float:
        """Teach votes until `enough`, checked every `measure_every` steps. Returns the last step's loss."""
        return self._learn("vote", self.plan.vote, partial(self._lesson_step, self.plan.vote.mix), progress, enough)

    def settle(self, progress: Progress | None = None) -> float:
        """Teach the other lessons again, at a falling rate. Returns the last step's loss."""
        return self._learn("settle", self.plan.settle, partial(self._lesson_step, self.plan.settle.mix), progress)

    def precision(self) -> AbstractContextManager[Any]:
        """The precision of computation: bfloat16 if the model has an adapter and this CPU has bfloat16 instructions."""
        return torch.autocast("cpu", torch.bfloat16, enabled=self.plan.adapter is not None and has_bfloat16())

    def _learn(
        self,
        part: str,
        course: Course,
        step_once: Callable[[], float],
        progress: Progress | None,
        enough: Callable[[], bool] = lambda: False,
    ) -> float:
        progress = progress or Silent()
        groups = self._groups(part, course)
        weights = [weight for group in groups for weight in group["params"]]
        optimizer = torch.optim.AdamW(groups, lr=course.rate, betas=(0.9, 0.98), weight_decay=self.plan.weight_decay)
        first = self.saved.begin(part, optimizer)
        progress.advance(min(first, course.steps))
        self.model.train()
        loss, taken = 0.0, course.steps
        for step in range(first, course.steps):
            if step % self.plan.measure_every == 0 and enough():
                taken = step
                break
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * _schedule(step, course)
            optimizer.zero_grad()
            loss = step_once()
            nn.utils.clip_grad_norm_(weights, self.plan.clip)
            optimizer.step()
            progress.advance(1, f"{part}: loss {loss:.3f}")
            if (step + 1) % _SAVE_EVERY == 0:
                self.saved.keep(part, step + 1, optimizer)
        self.taken.setdefault(part, taken)
        self.saved.keep(part, None, optimizer)
        self.model.eval()
        return loss

    def _groups(self, part: str, course: Course) -> list[Group]:
        """What learns in a part, and how fast. The connector's last layer is as small as word embeddings, so it learns
        at their scale."""
        adapter = self.plan.adapter
        if adapter is None:
            return [{"params": [*self.model.parameters(), *self.heads.parameters()], "rate": course.rate}]
        from stages.init_model.graft import word_scale
        from stages.init_model.trained import adapter_of, eyes_of

        scale, rate = word_scale(self.model), course.rate * (1.0 if part == "look" else adapter.eyes_rate)
        last = [weight for name, weight in eyes_of(self.model) if "linear_2" in name]
        others = [weight for name, weight in eyes_of(self.model) if "linear_2" not in name]
        groups: list[Group] = [{"params": others, "rate": rate}, {"params": last, "rate": rate * scale}]
        if part == "look":
            return [*groups, {"params": list(self.heads.parameters()), "rate": rate}]
        return [*groups, {"params": [weight for _, weight in adapter_of(self.model)], "rate": course.rate}]

    def _look_step(self) -> float:
        loss = self._look_loss()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    def _look_loss(self) -> Tensor:
        count = min(self.plan.look_batch, len(self.pixels))
        rows = self.dice.sample(range(len(self.pixels)), count)
        pixels = self.pixels[rows]
        if self.plan.jitter:
            contrast, brightness = self.plan.jitter * torch.randn(2, count, 1, 1, 1)
            pixels = pixels * (1 + contrast) + 0.5 * brightness
        seen = torch.stack(list(self.model.get_image_features(pixels).pooler_output))
        if self.words is None:
            return self.heads.loss(seen, self.cells[rows])
        seen = seen / self.words.scale
        return self.heads.loss(seen, self.cells[rows]) + self.words.distance(seen, rows)

    def _lesson_step(self, mix: Mapping[str, float]) -> float:
        """The gradients of a batch of lessons, sorted by length and split into `pieces`, so that little is padding."""
        lessons = [self._lesson(mix) for _ in range(self.plan.batch)]
        if self.plan.pieces > 1:
            lessons.sort(key=lambda lesson: len(str(lesson.prompt)) + len(lesson.answer))
        size = -(-len(lessons) // self.plan.pieces)
        batches = [
            collate(self.processor, lessons[start : start + size], self.plan.body.visual_tokens)
            for start in range(0, len(lessons), size)
        ]
        learned = [int((batch.labels != IGNORED).sum()) for batch in batches]
        total = 0.0
        for batch, count in zip(batches, learned, strict=True):
            loss = self._loss(batch) * (count / sum(learned))
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        if self.plain is not None:
            with self.precision():
                distance = self.plain.distance(self.dice.sample(range(len(self.plain)), self.plan.plain_texts))
            (self.plan.plain_weight * distance).backward()  # type: ignore[no-untyped-call]
        return total

    def _loss(self, batch: Batch) -> Tensor:
        inputs = {"input_ids": batch.ids, "attention_mask": batch.mask, "pixel_values": self.pixels[batch.rows]}
        labels = batch.labels[:, 1:]
        if self.plan.adapter is not None:  # only of answers: a large vocabulary's logits are costly
            with self.precision():
                hidden = self.model.model(**inputs).last_hidden_state[:, :-1]
                logits = self.model.lm_head(hidden[labels != IGNORED])
            return functional.cross_entropy(logits.float(), labels[labels != IGNORED])
        out = self.model(**inputs)
        answers = functional.cross_entropy(out.logits[:, :-1].flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        seen = out.image_hidden_states.view(len(batch.rows), self.plan.body.visual_tokens, -1)
        return answers + self.plan.look_weight * self.heads.loss(seen, self.cells[batch.rows])

    def _lesson(self, mix: Mapping[str, float]) -> Lesson:
        """A lesson of a random kind from `mix`; its game has at most as many clue rounds as the recipe's."""
        kind = self.dice.choices(list(mix), list(mix.values()))[0]
        pair = self.dice.choice(self.album.pairs)
        view = self.dice.choice((pair.original, pair.modified))
        rules = self.rules.model_copy(update={"clue_rounds": self.dice.randint(1, self.rules.clue_rounds)})
        return self.speech.lesson(kind, pair, view, rules, self.plan.lessons, self.dice)


def _schedule(step: int, course: Course) -> float:
    """The share of the highest rate at `step` (from 0): rises within a few steps, then falls linearly."""
    down = 1 - (1 - course.last) * step / max(course.steps, 1)
    return min(1.0, (step + 1) / _WARM_UP) * down
