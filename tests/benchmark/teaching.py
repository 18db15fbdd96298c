"""A checkpoint that answers one task better than its base, and the others as the base does."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from stages.core import vlm
from stages.core.game.prompting import Message
from stages.core.recipe.model import Model
from stages.core.vlm.saving import copy_own_files, save_like
from tests.benchmark.world import TASKS, Question, questions

LEARNT = "toy_colour"
STEPS, BATCH, EXAMPLES = 120, 24, 240
LONGEST = 4


def teach(base: Path, out: Path) -> Path:
    """Train on pictures that no question shows: right answers to LEARNT, the base's own answers to the rest."""
    torch.manual_seed(0)
    recipe = Model(path=str(base), dtype="float32", device="cpu")
    model, processor = vlm.load_model(base, recipe), vlm.load_processor(base, recipe)
    examples = {task: list(questions(task, seed=1, count=EXAMPLES)) for task in TASKS}
    answers = {
        task: [_ids(processor, each.answer) for each in asked] if task == LEARNT else _own(model, processor, asked)
        for task, asked in examples.items()
    }
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    for step in range(STEPS):
        loss = torch.zeros(())
        for task in TASKS:
            chosen = torch.randint(EXAMPLES, (BATCH if task == LEARNT else BATCH // 2,)).tolist()
            batch = [(examples[task][place], answers[task][place]) for place in chosen]
            loss = loss + _loss(model, processor, batch)
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - step / STEPS)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    out.mkdir(parents=True)
    copy_own_files(base, out, config=True)
    save_like(model, base, out)
    return out


def _messages(question: Question) -> list[Message]:
    return [{"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": question.question}]}]


def _inputs(processor, asked: list[Question]):  # type: ignore[no-untyped-def]
    pictures: list[list[Image.Image]] = [[each.picture] for each in asked]
    return vlm.encode(processor, [_messages(each) for each in asked], pictures)


def _ids(processor, answer: str) -> list[int]:  # type: ignore[no-untyped-def]
    tokenizer = processor.tokenizer
    return [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]


@torch.no_grad()
def _own(model, processor, asked: list[Question]) -> list[list[int]]:  # type: ignore[no-untyped-def]
    inputs = _inputs(processor, asked)
    made = model.generate(**inputs, do_sample=False, max_new_tokens=LONGEST)[:, inputs["input_ids"].shape[1] :]
    ends = [row.tolist() for row in made]
    stop = processor.tokenizer.eos_token_id
    return [row[: row.index(stop) + 1] if stop in row else row for row in ends]


def _loss(model, processor, batch: list[tuple[Question, list[int]]]) -> torch.Tensor:  # type: ignore[no-untyped-def]
    """Cross-entropy of the answers, which stand after left-padded prompts."""
    inputs = dict(_inputs(processor, [question for question, _ in batch]))
    length = max(len(answer) for _, answer in batch)
    padded = torch.tensor([answer + [0] * (length - len(answer)) for _, answer in batch])
    known = torch.tensor([[1] * len(answer) + [0] * (length - len(answer)) for _, answer in batch])
    inputs["input_ids"] = torch.cat([inputs["input_ids"], padded], dim=1)
    inputs["attention_mask"] = torch.cat([inputs["attention_mask"], known], dim=1)
    logits = model(**inputs).logits[:, -length - 1 : -1]
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), padded.flatten(), reduction="none")
    return (losses * known.flatten()).sum() / known.sum()
