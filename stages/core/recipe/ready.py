"""The `games.ready` section: how pictures that exist already are read, and what becomes of faulty pairs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.base import ContentField, RuntimeField, Section

Fate = Literal["drop", "keep", "error"]


class ReadySettings(Section):
    """Used with `make-games --from`. What is dropped is counted and listed in `skipped.parquet` with its reason."""

    original: str | None = Field(
        None,
        description="Column of the civilians' picture in a manifest or Parquet, or an item of its lists, such as "
        "images[0]. Null: found by the known names, e.g. original, source_img, or the first of two images.",
    )
    modified: str | None = Field(
        None,
        description="Column of the spy's picture, or an item such as images[1]. Null: found by the known names, e.g. "
        "modified, edited, target_img, or the second of two images.",
    )
    id: str | None = Field(
        None,
        description="Column that names the pairs. Null: pair_id, id, or img_id with turn_index where there are such; "
        "an empty text: none, and the rows are numbered.",
    )
    pictures: str | None = ContentField(
        None,
        description="Folder that a manifest's paths are relative to and must stay in; / allows every absolute path. "
        "Null: the folder of the manifest.",
    )
    unusable: Literal["drop", "error"] = RuntimeField(
        "error",
        description="Pairs with a picture that cannot be read, has several frames, is too small or has too many "
        "pixels, or with a broken note of what was replaced: an error that names it, or dropped.",
    )
    max_pixels: int = Field(
        64_000_000,
        ge=1,
        le=170_000_000,
        description="Most pixels of a picture, told from its header before anything is decoded: a guard against "
        "files that unpack to more than the memory holds (about 4 bytes a pixel and picture; vz's own limit).",
    )
    max_side: int | None = Field(
        None,
        ge=28,
        description="Larger pictures are scaled down to this longer side, pixels, both of a pair by one factor "
        "(Lanczos filter). Null: kept as they are.",
    )
    sizes_differ: Literal["drop", "resize", "error"] = Field(
        "drop",
        description="Pairs whose pictures differ in width or height: dropped, or the modified one is resized to the "
        "original's size (Lanczos filter), since another size would give the spy away, or an error.",
    )
    identical: Fate = Field("drop", description="Pairs whose two pictures show the same: dropped, kept, or an error.")
    identical_levels: int = Field(
        0,
        ge=0,
        le=255,
        description="Two pictures are the same when no channel of any pixel differs by more than this many of 255 "
        "levels; above 0 for pictures that were compressed anew.",
    )
    unrelated: Fate = Field(
        "drop", description="Pairs whose pictures have nothing in common: dropped, kept, or an error."
    )
