"""The `games` section: the pairs of pictures that a run plays."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from stages.core.recipe.base import RuntimeField, Section
from stages.core.recipe.charts import ChartSettings
from stages.core.recipe.ready import ReadySettings

Shape = Literal["cube", "sphere", "cylinder"]
Size = Literal["large", "small"]
Color = Literal["gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"]
Material = Literal["rubber", "metal"]
Domain = Literal["clevr", "chart", "photo", "picture"]
Quality = Literal["draft", "standard", "fine", "reference"]
GRID_CELLS = 3  # of layout: grid, along each side of the picture


class Noise(Section):
    """Shares of all pairs, from any source, whose modified picture is replaced. The pair's seed decides which."""

    blank: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of pairs, on average, whose modified picture becomes a blank white one of the same size "
        "(paper's noise test on photos: 0.1).",
    )
    identical: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of pairs, on average, whose modified picture becomes a copy of the original (paper's noise "
        "test on photos: 0.1).",
    )

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.blank + self.identical > 1:
            raise ValueError(
                f"blank {self.blank} and identical {self.identical} are shares; together they must be at most 1"
            )
        return self


class Games(Section):
    """How many pairs to make, what they show, and how they are drawn. Defaults are those of CLEVR and the paper."""

    pairs: int = Field(
        2000,
        ge=1,
        description="Number of pairs. From given scenes, tables or pictures, at most this many (paper: 2,000).",
    )
    domain: Domain | None = Field(
        None,
        description="What the pictures show; prompts use its vocabulary. null: clevr for scenes, chart for tables; "
        "for ready pictures, vz takes it from their table, names or layout, or else uses picture.",
    )
    objects_min: int = Field(4, ge=1, le=81, description="Fewest objects in a scene (paper: 4; CLEVR: 3).")
    objects_max: int = Field(6, ge=1, le=81, description="Most objects in a scene (paper: 6; CLEVR: 10).")
    shapes: tuple[Shape, ...] = Field(
        ("cube", "sphere", "cylinder"), min_length=1, description="Shapes to draw from, uniformly (CLEVR: all three)."
    )
    colors: tuple[Color, ...] = Field(
        ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"),
        min_length=1,
        description="Colours to draw from, uniformly (CLEVR: all eight).",
    )
    sizes: tuple[Size, ...] = Field(
        ("large", "small"),
        min_length=1,
        description="Sizes to draw from, uniformly: radius 0.7 and 0.35 (CLEVR: both).",
    )
    materials: tuple[Material, ...] = Field(
        ("rubber", "metal"), min_length=1, description="Materials to draw from, uniformly (CLEVR: both)."
    )
    changes: int = Field(2, ge=1, description="Number of objects that differ in the spy's picture (paper: 2).")
    change_attributes: tuple[Literal["color", "shape", "material"], ...] = Field(
        ("color", "shape"),
        min_length=1,
        description="Attributes that differ in each changed object (paper: colour and shape).",
    )
    layout: Literal["free", "grid"] = Field(
        "free",
        description="Placement of objects. free: as in CLEVR. grid: each in a cell of a 3 × 3 grid over the picture, "
        "seen from higher up, for small models.",
    )
    width: int = Field(
        480,
        ge=16,
        le=4096,
        description="Width of drawn scenes and charts in pixels (CLEVR v1.0: 480). Charts need at least 240; given "
        "scenes keep their own size.",
    )
    height: int = Field(
        320, ge=16, le=4096, description="Height in pixels (CLEVR v1.0: 320). Charts need at least 180."
    )
    quality: Quality = Field(
        "standard",
        description="Rendering effort. docs/rendering.md lists the cost of each quality and its distance from 512 "
        "samples per pixel.",
    )
    renderer: Literal["auto", "llvm", "scalar"] = Field(
        "auto",
        description="llvm: vz's tracer on Mitsuba's vectorised ray casts, several times faster; needs an LLVM "
        "library. scalar: Mitsuba's own path tracer, with the same bits on every processor. auto: llvm if a trial "
        "succeeds, else scalar; the manifest says which.",
    )
    samples: int | None = Field(None, ge=1, le=4096, description="Light paths per pixel. null: set by the quality.")
    denoise: bool = Field(True, description="Remove the noise that few light paths leave (Open Image Denoise).")
    min_pixels: int = Field(
        200,
        ge=0,
        description="Fewest visible pixels of each object in a drawn scene, for a picture 320 pixels wide; scaled to "
        "other sizes (CLEVR: 200).",
    )
    charts: ChartSettings = Field(default_factory=ChartSettings, description="Charts drawn from tables.")
    ready: ReadySettings = Field(default_factory=ReadySettings, description="Reading ready pictures (--from).")
    strict: bool = RuntimeField(
        False,
        description="Whether a bad scene, table or picture ends the run. By default, vz skips it and gives the reason.",
    )
    noise: Noise = Field(default_factory=Noise, description="Pairs spoilt on purpose.")
    dev_fraction: float = Field(0.05, ge=0, lt=1, description="Share of pairs in split dev, on average (vz: 0.05).")
    test_fraction: float = Field(0.05, ge=0, lt=1, description="Share of pairs in split test, on average (vz: 0.05).")
    processes: int = RuntimeField(
        0, ge=0, description="Number of processes that draw pictures, each with one thread. 0: one per core."
    )

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.objects_min > self.objects_max:
            raise ValueError(f"objects_min {self.objects_min} is above objects_max {self.objects_max}")
        if self.dev_fraction + self.test_fraction >= 1:
            raise ValueError("dev_fraction and test_fraction leave nothing for train; together they must be below 1")
        cells = GRID_CELLS**2
        if self.layout == "grid" and self.objects_max > cells:
            raise ValueError(f"objects_max {self.objects_max} is above the grid's {cells} cells")
        return self

    def identity(self, *, deterministic: bool, prefix: str = "") -> dict[str, Any]:
        """The values that drawn games depend on: without `ready`, and without `charts` if no charts are drawn."""
        body = super().identity(deterministic=deterministic, prefix=prefix)
        unused = {"ready"} if self.domain == "chart" else {"ready", "charts"}
        return {name: value for name, value in body.items() if name not in unused}
