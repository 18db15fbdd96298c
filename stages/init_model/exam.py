"""Decides when to stop teaching: how sure the model is of the spy in scripted games."""

from __future__ import annotations

import torch
from torch import Tensor

from stages.core.seeds import rng
from stages.init_model.batches import collate
from stages.init_model.lessons import Lesson, scripted_game
from stages.init_model.pictures import Album
from stages.init_model.teach import Teacher


class Exam:
    """Held-out scripted games, one per pair: the exact probability of the token that decides on the spy."""

    def __init__(self, teacher: Teacher, held_out: Album, pixels: Tensor, seed: int) -> None:
        self.teacher, self.pixels, self.lessons = teacher, pixels, list[Lesson]()
        dice, rules, speech = rng(seed, "init-model", "exam"), teacher.rules, teacher.speech
        for pair in held_out.pairs[: teacher.plan.examined]:
            game = scripted_game(pair, rules, teacher.plan.lessons, dice, speech)
            self.lessons.append(speech.exam_lesson(pair, game, rules))

    @torch.no_grad()
    def score(self) -> float:
        """The mean probability of the right decision, given what comes before it."""
        teacher = self.teacher
        model, after = teacher.model, teacher.speech.after_decision
        training = model.training
        model.eval()
        found = [self._probabilities(lessons, after) for lessons in self._parts()]
        model.train(training)
        return float(torch.cat(found).mean())

    def _parts(self) -> list[list[Lesson]]:
        size = self.teacher.plan.at_once
        return [self.lessons[start : start + size] for start in range(0, len(self.lessons), size)]

    def _probabilities(self, lessons: list[Lesson], after: int) -> Tensor:
        teacher = self.teacher
        batch = collate(teacher.processor, lessons, teacher.plan.body.visual_tokens)
        place = batch.ids.shape[1] - after - 2  # of the token before the decision
        with teacher.precision():
            hidden = teacher.model.model(
                input_ids=batch.ids, attention_mask=batch.mask, pixel_values=self.pixels[batch.rows]
            ).last_hidden_state
            decisions: Tensor = teacher.model.lm_head(hidden[:, place].contiguous()).float().softmax(-1)
        return decisions.gather(1, batch.ids[:, place + 1].unsqueeze(1)).squeeze(1)
