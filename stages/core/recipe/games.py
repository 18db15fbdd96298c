"""The `games` section of a recipe: the pairs of pictures that a run plays with."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from stages.core.recipe.base import NO_BYTE, Section
from stages.core.recipe.charts import ChartSettings
from stages.core.recipe.noise import Noise
from stages.core.recipe.ready import ReadySettings

Shape = Literal["cube", "sphere", "cylinder"]
Size = Literal["large", "small"]
Color = Literal["gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"]
Material = Literal["rubber", "metal"]
Domain = Literal["clevr", "chart", "photo", "picture"]
Quality = Literal["draft", "standard", "fine", "reference"]
GRID_CELLS = 3  # of the layout `grid`, along each side of the picture


class Games(Section):
    """How many pairs, of what, and how they are drawn. The defaults are CLEVR's and the paper's."""

    pairs: int = Field(
        2000,
        ge=1,
        description="Pairs to make; of given scenes or pairs, the most that are taken (paper: 2,000).",
    )
    domain: Domain | None = Field(
        None,
        description="What the pictures show, for the wording of prompts. Null: clevr for scenes, chart for tables; "
        "for ready pictures, taken from their table, names or layout; if these do not say, picture.",
    )
    objects_min: int = Field(4, ge=1, le=81, description="Fewest objects in a scene (paper: 4; CLEVR: 3).")
    objects_max: int = Field(6, ge=1, le=81, description="Most objects in a scene (paper: 6; CLEVR: 10).")
    shapes: tuple[Shape, ...] = Field(
        ("cube", "sphere", "cylinder"),
        min_length=1,
        description="Shapes, drawn uniformly (CLEVR: all three).",
    )
    colors: tuple[Color, ...] = Field(
        ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"),
        min_length=1,
        description="Colours, drawn uniformly (CLEVR: all eight).",
    )
    sizes: tuple[Size, ...] = Field(
        ("large", "small"),
        min_length=1,
        description="Sizes, drawn uniformly; radius 0.7 and 0.35 (CLEVR: both).",
    )
    materials: tuple[Material, ...] = Field(
        ("rubber", "metal"), min_length=1, description="Materials, drawn uniformly (CLEVR: both)."
    )
    changes: int = Field(2, ge=1, description="Objects that differ in the spy's picture (paper: 2).")
    change_attributes: tuple[Literal["color", "shape", "material"], ...] = Field(
        ("color", "shape"),
        min_length=1,
        description="What differs in each of them (paper: colour and shape).",
    )
    layout: Literal["free", "grid"] = Field(
        "free",
        description="free: CLEVR's placement; grid: one object in a cell of the picture, for small models.",
    )
    width: int = Field(
        480,
        ge=16,
        le=4096,
        description="Width of a drawn picture, scene or chart, pixels (CLEVR v1.0: 480). Charts need 240, given scenes "
        "have their own.",
    )
    height: int = Field(
        320, ge=16, le=4096, description="Height of the same, pixels (CLEVR v1.0: 320). Charts need 180."
    )
    quality: Quality = Field(
        "standard",
        description="How much work goes into a picture; what each costs and how near it comes to 512 samples a pixel "
        "is in docs/rendering.md.",
    )
    renderer: Literal["auto", "llvm", "scalar"] = Field(
        "auto",
        description="llvm: vz's tracer on Mitsuba's vectorised ray casts, several times faster; it needs an LLVM "
        "library. scalar: Mitsuba's own path tracer, the same bit by bit on every processor. auto: llvm where a trial "
        "in a process of its own succeeds, else scalar; the manifest says which.",
    )
    samples: int | None = Field(
        None, ge=1, le=4096, description="Light paths a pixel, instead of what the quality brings."
    )
    denoise: bool = Field(True, description="Remove the noise of few samples (Open Image Denoise).")
    min_pixels: int = Field(
        200,
        ge=0,
        description="Scenes: pixels of every object that must be in sight in a picture 320 wide; scaled to other sizes "
        "(CLEVR: 200). For charts see charts.min_pixels.",
    )
    charts: ChartSettings = Field(default_factory=ChartSettings, description="Charts drawn from tables.")
    ready: ReadySettings = Field(default_factory=ReadySettings, description="How ready pictures are read (--from).")
    noise: Noise = Field(default_factory=Noise, description="Pairs that are spoilt on purpose.")
    dev_fraction: float = Field(0.05, ge=0, lt=1, description="Share of pairs in split dev, on average (vz: 0.05).")
    test_fraction: float = Field(0.05, ge=0, lt=1, description="Share of pairs in split test, on average (vz: 0.05).")
    processes: int = Field(
        0,
        ge=0,
        json_schema_extra=NO_BYTE,
        description="Processes that draw pictures, one thread each; 0 for one a core. Changes no byte.",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.objects_min > self.objects_max:
            raise ValueError(f"objects_min {self.objects_min} is above objects_max {self.objects_max}")
        if self.dev_fraction + self.test_fraction >= 1:
            raise ValueError("dev_fraction and test_fraction leave nothing for train; together they must be below 1")
        cells = GRID_CELLS**2
        if self.layout == "grid" and self.objects_max > cells:
            raise ValueError(f"objects_max {self.objects_max} is above the grid's {cells} cells")
        return self
