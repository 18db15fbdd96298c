"""What each quality costs and how near it comes to 512 samples a pixel of Mitsuba's own integrator.

    python -m tests.rendering.bench --out runs/bench-render --pairs 6

The references are rendered once and kept in the folder (about 2 CPU-minutes a picture). CPU-seconds a pair are those of
making the pair as `vz make-games` does: drawing, checking, rendering, denoising and packing both pictures; the first
pair, which compiles, is not counted. Writes `bench.json` and prints a Markdown table.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stages.core.clevr import Scene
from stages.core.clevr.effort import Renderer
from stages.core.clevr.llvm import usable_llvm
from stages.core.clevr.mitsuba_scene import describe, load_mitsuba
from stages.core.clevr.rendering import _denoiser, to_srgb
from stages.core.clevr.scene_json import from_json
from stages.core.folder.files import write_json
from stages.core.recipe import load
from stages.core.recipe.games import Quality
from stages.make_games.clevr import drawn
from stages.make_games.pair import Made
from tests.rendering.likeness import Picture, psnr, ssim

SAMPLES = 512
WAYS: tuple[tuple[Renderer, Quality], ...] = (
    ("llvm", "draft"),
    ("llvm", "standard"),
    ("llvm", "fine"),
    ("scalar", "draft"),
    ("scalar", "standard"),
    ("scalar", "fine"),
)


@dataclass(frozen=True)
class Reference:
    """The truth, as far as it goes: as rendered, and denoised with the help of reflectance and normals."""

    raw: Picture
    denoised: Picture


def reference(scene: Scene, file: Path) -> Reference:
    """Mitsuba's `volpath`, in two halves with different seeds."""
    if not file.is_file():
        mitsuba = load_mitsuba()
        loaded = mitsuba.load_dict(describe(scene), parallel=False, optimize=False)
        halves = [np.asarray(mitsuba.render(loaded, spp=SAMPLES // 2, seed=seed), np.float32) for seed in (101, 102)]
        aov = mitsuba.load_dict({"type": "aov", "aovs": "albedo:albedo,normal:sh_normal"})
        first = np.asarray(mitsuba.render(loaded, integrator=aov, spp=64, seed=103), np.float32)
        np.savez(file, light=np.mean(halves, axis=0), first=first)
    kept = np.load(file)
    guides = {
        "albedo": np.ascontiguousarray(np.clip(kept["first"][..., :3], 0, 1)),
        "normal": np.ascontiguousarray(kept["first"][..., 3:6]),
    }
    denoised = _denoiser().denoise(np.ascontiguousarray(kept["light"]), hdr=True, clean_aux=True, **guides)
    return Reference(to_srgb(kept["light"]), to_srgb(denoised))


def measure(renderer: Renderer, quality: Quality, count: int, out: Path) -> dict[str, Any]:
    """Cost and likeness over `count` pairs, both pictures of each."""
    settings = [f"games.renderer={renderer}", f"games.quality={quality}", f"games.pairs={count + 1}", "seed=2026"]
    warm_up, *pairs = drawn.plan(load("paper-v1", settings)).pairs
    warm_up.make()
    seconds, rows = [], []
    for pair in pairs:
        started = time.process_time()
        made = pair.make()
        seconds.append(time.process_time() - started)
        assert isinstance(made, Made) and made.modified is not None
        for role, data, body in (
            ("original", made.original, made.scene),
            ("modified", made.modified, made.modified_scene),
        ):
            assert body is not None
            picture = np.asarray(Image.open(io.BytesIO(data)))
            truth = reference(from_json(body, pair.pair_id), out / f"{pair.pair_id}_{role}.npz")
            rows.append(
                {
                    "psnr": psnr(picture, truth.denoised),
                    "psnr_raw": psnr(picture, truth.raw),
                    "ssim": ssim(picture, truth.denoised),
                    "reference_raw_against_denoised": psnr(truth.raw, truth.denoised),
                }
            )
    cost = statistics.mean(seconds)
    return {
        "renderer": renderer,
        "quality": quality,
        "pairs": count,
        "cpu_seconds_a_pair": cost,
        "pairs_a_core_hour": 3600 / cost,
        **{name: statistics.mean(row[name] for row in rows) for name in rows[0]},
        "psnr_worst": min(row["psnr"] for row in rows),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = [
        "| renderer | quality | CPU-s a pair | pairs per core-hour | PSNR, dB (worst) | PSNR, raw reference | SSIM |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['renderer']} | {row['quality']} | {row['cpu_seconds_a_pair']:.2f} | "
            f"{row['pairs_a_core_hour']:,.0f} | {row['psnr']:.1f} ({row['psnr_worst']:.1f}) | {row['psnr_raw']:.1f} | "
            f"{row['ssim']:.4f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-render"))
    parser.add_argument("--pairs", type=int, default=6)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    ways = [way for way in WAYS if way[0] == "scalar" or usable_llvm() is not None]
    rows = [measure(renderer, quality, given.pairs, given.out) for renderer, quality in ways]
    write_json(given.out / "bench.json", rows)
    print(table(rows))
    print(f"\nreference, raw against denoised: {rows[0]['reference_raw_against_denoised']:.1f} dB")


if __name__ == "__main__":
    main()
