"""Does anything but the change tell a modified picture from an original? A small classifier tries.

    python -m tests.rendering.telltale GAMES --train 1000 --out runs/telltale-clevr
    python -m tests.rendering.telltale GAMES --train 300 --flaw           # CLEVR only: can it find a flaw at all?

It learns on the first pairs of a games folder to tell originals from modified pictures, one picture at a time, and is
judged on all others, which it has never seen. What it sees are crops at full size, as they are and with everything but
the finest detail taken away, so that seams and grain stand out. Right answers of 0.5 mean that it found nothing. With
`--flaw` the modified pictures are rendered again with half the light paths: that it must find.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch import nn

from stages.core import tables
from stages.core.clevr import render
from stages.core.clevr.effort import effort_of
from stages.core.clevr.scene_json import from_json
from stages.core.folder.files import read_json, write_json
from stages.core.recipe.games import Games
from stages.core.seeds import derive
from stages.evaluate.intervals import Estimate, estimate

CROP = 128  # pixels a side
CROPS = 12  # of each picture, when judged
BATCH = 32


@dataclass(frozen=True)
class Album:
    """Pictures as they lie on disk, PNG bytes: of each pair the original, then the modified one."""

    pairs: Sequence[str]
    pictures: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.pictures)

    def picture(self, number: int) -> torch.Tensor:
        """(3, height, width), 0 to 1."""
        with Image.open(io.BytesIO(self.pictures[number])) as image:
            return torch.from_numpy(np.asarray(image.convert("RGB"))).permute(2, 0, 1).float() / 255

    def part(self, first: int, last: int | None) -> Album:
        """Pairs `first` to `last`."""
        end = None if last is None else 2 * last
        return Album(self.pairs[first:last], self.pictures[2 * first : end])


class Detective(nn.Module):
    """A small convolutional network on a crop and its finest detail."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 6
        for number in range(4):
            out = width * min(4, 2**number)
            layers += [nn.Conv2d(channels, out, 3, stride=2, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
            channels = out
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(2 * channels, 1)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """(batch, 3, CROP, CROP) -> (batch,): how much more likely modified than original, as a logit."""
        detail = crops - nn.functional.avg_pool2d(crops, 3, stride=1, padding=1)
        seen = self.body(torch.cat([crops - 0.5, 20 * detail], dim=1))
        return self.head(torch.cat([seen.mean(dim=(2, 3)), seen.amax(dim=(2, 3))], dim=1)).squeeze(1)


def train(album: Album, epochs: int, seed: int) -> Detective:
    """A network that tells the album's originals from its modified pictures as well as it can."""
    torch.manual_seed(seed)
    draw = np.random.default_rng(seed)
    net = Detective()
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    steps = epochs * -(-len(album) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in range(epochs):
        for numbers in np.array_split(draw.permutation(len(album)), -(-len(album) // BATCH)):
            crops = torch.stack([_crop(album.picture(number), draw) for number in numbers])
            loss = nn.functional.binary_cross_entropy_with_logits(net(crops), torch.from_numpy(numbers % 2).float())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def judge(net: Detective, album: Album) -> Estimate:
    """The share of pictures told right, each by `CROPS` crops together; the interval is over pairs."""
    right, clusters = [], []
    for number in range(len(album)):
        draw = np.random.default_rng(number // 2)  # both pictures of a pair are looked at in the same places
        crops = torch.stack([_crop(album.picture(number), draw) for _ in range(CROPS)])
        right.append(float((net(crops).mean() > 0) == bool(number % 2)))
        clusters.append(album.pairs[number // 2])
    return estimate(right, clusters)


def read_album(games: Path) -> Album:
    """All pairs of a games folder that have two pictures."""
    rows = tables.read(games / "pairs.parquet", tables.PAIRS).filter(pl.col("modified").is_not_null())
    files = [games / row[role] for row in rows.iter_rows(named=True) for role in ("original", "modified")]
    return Album(rows["pair_id"].to_list(), [file.read_bytes() for file in files])


def flawed(games: Path, processes: int) -> Album:
    """The same with every modified picture rendered again with half the light paths."""
    rows = tables.read(games / "pairs.parquet", tables.PAIRS).filter(pl.col("modified").is_not_null())
    settings = read_json(games / "manifest.json")["settings"]["games"]
    album = read_album(games)
    jobs = list(rows.select("modified_scene", "seed").iter_rows())
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        worse = list(pool.map(partial(_half, settings), jobs, chunksize=4))
    pictures = [picture for one, other in zip(album.pictures[::2], worse, strict=True) for picture in (one, other)]
    return Album(album.pairs, pictures)


def _half(settings: dict[str, Any], job: tuple[str, int]) -> bytes:
    torch.set_num_threads(1)
    effort = effort_of(Games.model_validate(settings))
    halved = replace(effort, samples=max(1, effort.samples // 2), metal=effort.metal // 2)
    buffer = io.BytesIO()
    picture = render(from_json(json.loads(job[0]), "the scene"), halved, derive(job[1], "render"))
    Image.fromarray(picture).save(buffer, "png")
    return buffer.getvalue()


def _crop(picture: torch.Tensor, draw: np.random.Generator) -> torch.Tensor:
    _, height, width = picture.shape
    top, left = (int(draw.integers(0, max(0, side - CROP) + 1)) for side in (height, width))
    return picture[:, top : top + CROP, left : left + CROP]


def parts(album: Album, count: int) -> Iterator[Album]:
    yield album.part(0, count)
    yield album.part(count, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("games", type=Path)
    parser.add_argument("--train", type=int, required=True, help="pairs to learn from; all others judge")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--flaw", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/telltale"))
    given = parser.parse_args()
    album = flawed(given.games, given.processes) if given.flaw else read_album(given.games)
    learned, unseen = parts(album, given.train)
    net = train(learned, given.epochs, seed=1)
    result = {
        "games": str(given.games),
        "flaw": given.flaw,
        "pairs_to_learn": len(learned.pairs),
        "unseen_pictures": len(unseen),
        "right_on_learned": judge(net, learned.part(0, 200))._asdict(),
        "right_on_unseen": judge(net, unseen)._asdict(),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    write_json(given.out / "telltale.json", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
