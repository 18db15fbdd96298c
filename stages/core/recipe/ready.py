"""The `games.ready` section: how pictures that exist already are read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.base import ContentField, Section


class ReadySettings(Section):
    """Used with `make-games --from`. Skipped pairs are counted and listed in `skipped.parquet` with their reason."""

    original: str | None = Field(
        None,
        description="Column of the civilians' picture in a table, or an item of its lists, such as images[0]. Null: "
        "found by its usual names, e.g. original, source_img, or the first of the images.",
    )
    modified: str | None = Field(
        None,
        description="Column of the spy's picture, or an item such as images[1]. Null: found by its usual names, e.g. "
        "modified, edited, target_img, or the second of the images.",
    )
    id: str | None = Field(
        None,
        description="Column that names the pairs. Null: pair_id, id, or img_id with turn_index, if the table has them. "
        "An empty text: no column, and the rows are numbered.",
    )
    pictures: str | None = ContentField(
        None,
        description="Folder that a table's paths count from and must stay in; / allows every absolute path. Null: the "
        "folder of the table.",
    )
    max_pixels: int = Field(
        64_000_000,
        ge=1,
        le=170_000_000,
        description="Most pixels of a picture, checked before it is decoded. Guards against files that unpack to more "
        "than the memory holds (about 4 bytes per pixel and picture; vz's own limit).",
    )
    max_side: int | None = Field(
        None,
        ge=28,
        description="Larger pictures are scaled down to this longer side, pixels, both of a pair by one factor "
        "(Lanczos filter). Null: kept as they are.",
    )
    sizes_differ: Literal["drop", "resize"] = Field(
        "drop",
        description="Pairs whose pictures differ in width or height. drop: skipped. resize: the modified picture gets "
        "the original's size (Lanczos filter), since another size would give the spy away.",
    )
    identical: Literal["drop", "keep"] = Field("drop", description="Pairs whose two pictures show the same.")
    identical_levels: int = Field(
        0,
        ge=0,
        le=255,
        description="Two pictures show the same if no channel of any pixel differs by more than this many of 255 "
        "levels. Raise it for pictures that were compressed anew.",
    )
    unrelated: Literal["drop", "keep"] = Field(
        "drop",
        description="Pairs whose pictures have nothing in common: the correlation of their details is below 0.15.",
    )
