"""A model whose pictures are cut into tiles, as many as each picture needs: nothing in training knows of tiles."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from stages.train import run
from tests.train.world import hand, logprobs, make_games, make_world, recipe


def build_idefics3(folder: Path) -> Path:
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    from stages.init_model.tokenizer import CHAT_TEMPLATE, build_tokenizer

    tokenizer = build_tokenizer()
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)]
    marks = ["<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *tiles]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    pictures = Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**vision, "num_hidden_layers": 2, "num_key_value_heads": 2, "vocab_size": len(tokenizer)}
    config = Idefics3Config(
        vision_config={**vision, "image_size": 32, "patch_size": 16},
        text_config={**text, "model_type": "llama", "pad_token_id": 0, "eos_token_id": 5, "bos_token_id": None},
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=0,
    )
    torch.manual_seed(0)
    model = Idefics3ForConditionalGeneration(config)
    for weight in model.parameters():
        if weight.dim() == 2:
            torch.nn.init.normal_(weight, 0, 0.1)
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = 5, 0
    model.save_pretrained(folder)
    Idefics3Processor(pictures, tokenizer, image_seq_len=1, chat_template=CHAT_TEMPLATE).save_pretrained(folder)
    return folder


def test_idefics3_with_pictures_of_different_numbers_of_tiles(tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = build_idefics3(tmp_path / "idefics3")
    games = make_games(tmp_path / "games", sizes=[(64, 60), (64, 20), (20, 64)])
    rows = make_world(tmp_path / "rows", model, games, 7)
    processor = AutoProcessor.from_pretrained(model)
    shapes = [Image.open(games / row["images"][0]).size for row in rows.rows if "blank" not in row["images"][0]]
    assert len({processor.image_processor.get_number_of_image_patches(h, w) for w, h in shapes}) > 1
    counts = run(recipe(model), rows.kept, tmp_path / "out").counts
    policy = AutoModelForImageTextToText.from_pretrained(model, dtype=torch.float32).eval()
    expected = hand(
        policy,
        lambda row: logprobs(policy, processor, row, games).detach(),
        processor,
        rows.rows,
        games,
        kl=0.04,
    )
    assert counts["loss"] == pytest.approx(expected.loss, rel=1e-5)
    assert counts["grad_norm"] == pytest.approx(expected.grad_norm, rel=1e-5)
    assert counts["logprob_gap_max"] < 1e-5


def test_idefics3_plays_scores_and_trains_end_to_end(tmp_path: Path) -> None:
    import json

    from stages import iterate
    from stages.core.recipe import load
    from tests.helpers import write_games

    model = build_idefics3(tmp_path / "idefics3")
    small = ["iterate.games=4", "iterate.rounds=2", "iterate.switching=clue", "rollout.max_prompt_tokens=900"]
    recipe = load(
        "tiny", [f"model.path={model}", *small, "train.micro_batch=8", "train.logprob_gap_limit=9", "evaluate.every=0"]
    )
    games = write_games(tmp_path / "games", recipe, count=6, side=72)
    iterate.run(recipe, tmp_path / "run", games=games)
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    first, second = (json.loads(line) for line in lines)
    assert first["games"] == second["games"] == 4 and first["train"]["rows"] == 32
    assert second["train"]["off_policy_rows"] == 0  # the exported checkpoint played the second round
    assert first["train"]["logprob_gap_max"] < 0.5
