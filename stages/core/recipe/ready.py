"""The `games.ready` section: how vz reads existing pictures."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.base import ContentField, Section


class ReadySettings(Section):
    """Used with `make-games --from`. Skipped pairs are counted, and `skipped.parquet` lists them with the reason."""

    original: str | None = Field(
        None,
        description="Column of the civilians' picture in a table, or an item of a list column, such as images[0]. "
        "Null: found by its usual names, e.g. original, source_img, or the first of the images.",
    )
    modified: str | None = Field(
        None,
        description="Column of the spy's picture, or a list item such as images[1]. Null: found by its usual names, "
        "e.g. modified, edited, target_img, or the second of the images.",
    )
    id: str | None = Field(
        None,
        description="Column that names the pairs. Null: pair_id, id, or img_id with turn_index, if the table has "
        "them. Empty text: no column; rows are numbered.",
    )
    pictures: str | None = ContentField(
        None,
        description="Folder that a table's paths are relative to and must stay inside; / allows any absolute path. "
        "Null: the table's folder.",
    )
    max_pixels: int = Field(
        64_000_000,
        ge=1,
        le=170_000_000,
        description="Most pixels in a picture, checked before decoding. Guards against files that decode to more than "
        "fits in memory (about 4 bytes per pixel and picture; vz's own limit).",
    )
    max_side: int | None = Field(
        None,
        ge=28,
        description="Longer side in pixels to which larger pictures are scaled down, both of a pair by the same "
        "factor (Lanczos filter). Null: keep their size.",
    )
    sizes_differ: Literal["drop", "resize"] = Field(
        "drop",
        description="Pairs whose pictures differ in width or height. drop: skip them. resize: give the modified "
        "picture the original's size (Lanczos filter), since a different size would give the spy away.",
    )
    identical: Literal["drop", "keep"] = Field("drop", description="Pairs whose two pictures are the same.")
    identical_levels: int = Field(
        0,
        ge=0,
        le=255,
        description="Two pictures are the same if no channel of any pixel differs by more than this many of 255 "
        "levels. Raise it for recompressed pictures.",
    )
    unrelated: Literal["drop", "keep"] = Field(
        "drop",
        description="Pairs whose pictures have nothing in common: their details correlate below 0.15.",
    )
