"""The baseline of `make bench-train`: TRL's `GRPOTrainer` on stored rows.

Loop, loss, log-probs, KL reference, gradient checkpointing and adapter are TRL's own. Only what `GRPOTrainer` would do by
generating is replaced: the rows of an update come from the rollouts. TRL gets more than its own loop gives it: prompts
are tokenised and pictures processed before the clock starts, and rows are padded to the longest of their micro-batch,
not of the update.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader
from trl import GRPOConfig, GRPOTrainer
from trl.models.utils import disable_gradient_checkpointing
from trl.trainer.utils import use_adapter

from stages.core import vlm
from stages.core.folder import artifact
from stages.core.pictures import Picture, picture_hashes
from stages.core.recipe import Recipe

KEY = ["game_id", "turn", "sample"]
ADAPTED = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
MicroBatch = dict[str, Any]  # as TRL names its parts


class StoredRows(GRPOTrainer):  # type: ignore[misc]  # TRL has no annotations
    """`GRPOTrainer` whose micro-batches are given."""

    def __init__(self, updates: Sequence[Sequence[MicroBatch]], **options: Any) -> None:
        self._updates = updates
        super().__init__(
            reward_funcs=lambda **_: [], train_dataset=Dataset.from_dict({"prompt": ["stored"] * 2}), **options
        )

    def get_train_dataloader(self) -> Any:
        places: Any = [(update, place) for update, parts in enumerate(self._updates) for place in range(len(parts))]
        return DataLoader(places, batch_size=None, collate_fn=lambda place: place)

    def _prepare_inputs(self, place: tuple[int, int]) -> MicroBatch:
        update, number = place
        if number == 0:  # where TRL would generate, and computes the reference's log-probs of all rows of the update
            self._with_reference = [self._referred(dict(batch)) for batch in self._updates[update]]
        return self._with_reference[number]

    @torch.no_grad()
    def _referred(self, batch: MicroBatch) -> MicroBatch:
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        seen = {name: batch[name] for name in batch.keys() & {"pixel_values", "image_grid_thw", "mm_token_type_ids"}}
        seen["num_images"] = batch["num_images"]
        policy, length = self.accelerator.unwrap_model(self.model), batch["completion_ids"].shape[1]
        with disable_gradient_checkpointing(self.model, self.args.gradient_checkpointing_kwargs):
            if self.ref_model is not None:
                found = self._get_per_token_logps_and_entropies(self.ref_model, ids, mask, length, **seen)
            else:
                with use_adapter(policy, adapter_name=None):
                    found = self._get_per_token_logps_and_entropies(self.model, ids, mask, length, **seen)
        return batch | {"ref_per_token_logps": found[0]}

    def _get_num_items_in_batch(self, batch_samples: object, device: object) -> None:
        return None  # the loop would count labels

    def floating_point_ops(self, inputs: object) -> int:
        return 0  # the loop would count tokens


def train_with_trl(recipe: Recipe, kept: Path, micro_batch: int) -> None:
    """Train on the rows as the recipe says, in TRL's own way."""
    from peft import LoraConfig
    from transformers import AutoModelForImageTextToText

    train, lora = recipe.train, recipe.model.lora
    processor = vlm.load_processor(recipe.model.path, recipe.model)
    model = AutoModelForImageTextToText.from_pretrained(recipe.model.path, dtype=getattr(torch, recipe.model.dtype))
    on_gpu = torch.cuda.is_available()
    updates = _updates(_rows(kept), processor, train.rows_per_update or 0, micro_batch, "cuda" if on_gpu else "cpu")
    adapter = lora and LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=ADAPTED, task_type="CAUSAL_LM")
    with tempfile.TemporaryDirectory() as scratch:
        config = GRPOConfig(
            output_dir=scratch,
            per_device_train_batch_size=2,  # required, but the micro-batches are given
            num_generations=2,
            gradient_accumulation_steps=len(updates[0]),
            max_steps=len(updates),
            beta=train.kl,
            epsilon=train.clip,
            loss_type=train.loss,
            temperature=1.0,
            learning_rate=train.learning_rate,
            lr_scheduler_type="constant",
            weight_decay=train.weight_decay,
            max_grad_norm=train.max_grad_norm,
            gradient_checkpointing=train.gradient_checkpointing,
            bf16=on_gpu,
            use_cpu=not on_gpu,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = StoredRows(updates, model=model, args=config, processing_class=processor, peft_config=adapter)
        trainer.train()


def _rows(kept: Path) -> list[dict[str, Any]]:
    rollouts = artifact.input_of(artifact.input_of(kept, "scored", "--rollouts"), "rollouts", "--rollouts")
    games = artifact.input_of(rollouts, "games", "--games")
    played = pl.read_parquet(rollouts / "part-*.parquet", columns=[*KEY, "prompt", "images", "completion_ids"])
    chosen = pl.read_parquet(kept / "kept.parquet", columns=[*KEY, "advantage"])
    rows = chosen.join(played, on=KEY, maintain_order="left").to_dicts()
    hashes = picture_hashes(games)
    return [row | {"pictures": [Picture(games, ref, hashes.get(ref)) for ref in row["images"]]} for row in rows]


def _updates(
    rows: Sequence[dict[str, Any]], processor: Any, size: int, micro_batch: int, device: str
) -> list[list[MicroBatch]]:
    batches = [
        _batch(rows[start : start + micro_batch], processor, device) for start in range(0, len(rows), micro_batch)
    ]
    assert len(rows) % size == size % micro_batch == 0, "TRL's loop wants equal micro-batches"
    steps = size // micro_batch
    return [batches[start : start + steps] for start in range(0, len(batches), steps)]


def _batch(rows: Sequence[dict[str, Any]], processor: Any, device: str) -> MicroBatch:
    """A micro-batch with TRL's names: prompts left padded, completions right padded."""
    pictures = [[picture.load() for picture in row["pictures"]] for row in rows]
    prompts = [vlm.encode_one(processor, row["prompt"], own) for row, own in zip(rows, pictures, strict=True)]
    inputs = vlm.batch(prompts, processor.tokenizer.pad_token_id)
    said = [torch.tensor(row["completion_ids"]) for row in rows]
    ids = pad_sequence(said, batch_first=True, padding_value=processor.tokenizer.pad_token_id)
    mask = pad_sequence([torch.ones_like(one) for one in said], batch_first=True)
    if "mm_token_type_ids" in inputs:
        inputs["mm_token_type_ids"] = torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(ids)], dim=1)
    batch = {
        "prompt_ids": inputs.pop("input_ids"),
        "prompt_mask": inputs.pop("attention_mask"),
        "completion_ids": ids,
        "completion_mask": mask,
        "advantages": torch.tensor([row["advantage"] for row in rows]),
        **inputs,
    }
    return {name: value.to(device) for name, value in batch.items()} | {"num_images": [len(own) for own in pictures]}
