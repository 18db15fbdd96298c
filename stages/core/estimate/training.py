"""The memory of one training process, term by term, in bytes.

Weights and the optimizer's moments stay. Everything else comes and goes, and the largest point in time sets the peak:
the backward pass of the head, of a layer or of the embeddings, the optimizer's step, or writing the state. A term
counts the tensors that torch has at that point; comments name them. `make check-estimates` compares the sum with real
training runs.
"""

from __future__ import annotations

from dataclasses import dataclass

from stages.core.vlm.size import Adapter, ModelSize, Stack

Terms = dict[str, int]

FP32, BF16 = 4, 2
# Bytes of both moments of a weight: fp32; bf16; bitsandbytes' 8 bits with an fp32 scale per 256 values.
MOMENTS = {"adamw": 2 * FP32, "adamw_bf16": 2 * BF16, "adamw_8bit": 2 + 2 * FP32 / 256}
# NF4 (arXiv 2305.14314): 4 bits, and a scale per block of 64, which double quantization stores in 8 bits with an fp32
# scale per 256 blocks.
NF4 = 0.5 + 1 / 64 + FP32 / (64 * 256)
AT_ONCE = 1 << 26  # values of a weight that memory-saving optimizers update at once
TILE_ROWS, TILE_COLUMNS = 4096, 32768  # TRL's kernel computes this many logits at once
# What a process takes before any tensors: the CUDA context with its libraries; on a CPU, modules that load late.
PROCESS = {"cuda": 600 << 20, "cpu": 128 << 20}
PART_BYTES = 1 << 30  # of a state written at once (`stages.train.writing`)
KEPT_FEATURES = 2 << 30  # bytes at most (`stages.train.features`)
TILE_COPIES = (
    7.25  # copies of a tile's logits in torch's version of the kernel's backward pass; Triton's works in place
)


@dataclass(frozen=True)
class Shape:
    """The contents of a micro-batch."""

    tokens: int  # counting shared beginnings once: at most train.tokens_per_batch
    answers: int  # tokens of answers among these; only they reach the head
    longest: int  # tokens in the longest row
    paths: int  # tokens in all rows, counting shared beginnings for each: attention gathers their keys and values
    patches: int  # tokens that the vision tower sees for a micro-batch's pictures
    features: int  # visual tokens of pictures whose features are kept for the whole round


@dataclass(frozen=True)
class Setup:
    """How training uses memory, apart from the model."""

    bf16: bool  # arithmetic; trained weights are always fp32
    four_bits: bool  # for the frozen base's linear layers
    optimizer: str  # a key of MOMENTS
    offload: bool  # moments in RAM
    checkpointing: bool
    references: int  # frozen models besides the policy: the KL reference, and the anchors' reference
    processes: int
    sharded: bool  # over the processes; if not, each has everything
    reshards: bool  # whether gathered layers are freed before the backward pass
    on_gpu: bool
    copies_state: bool  # to write it in the background

    @property
    def width(self) -> int:
        """Bytes of a value in the precision of the arithmetic."""
        return BF16 if self.bf16 else FP32


@dataclass(frozen=True)
class Memory:
    """Bytes of one process: what stays, and what else is there at the peak."""

    stays: Terms
    moment: str
    comes: Terms

    @property
    def total(self) -> int:
        return sum(self.stays.values()) + sum(self.comes.values())

    @property
    def terms(self) -> Terms:
        return {name: value for name, value in {**self.stays, **self.comes}.items() if value}


def training_memory(size: ModelSize, setup: Setup, shape: Shape) -> Memory:
    """The peak memory of one training process."""
    stays = {**_held(size, setup), "picture features": _features(size, setup, shape)}
    moments = _moments_of_a_pass(size, setup, shape)
    name = max(moments, key=lambda each: sum(moments[each].values()))
    return Memory(stays, name, moments[name])


def _held(size: ModelSize, setup: Setup) -> Terms:
    """Weights, moments and references, or a process's share if they are sharded."""
    trains, share = trained(size), setup.processes if setup.sharded else 1
    frozen = size.weights - trains if size.adapter is None else size.weights
    reference = setup.width * size.weights if size.adapter is None else _frozen(size, setup, frozen)
    terms = {
        "weights": FP32 * trains + _frozen(size, setup, frozen),
        "optimizer": 0 if setup.offload and setup.on_gpu else round(MOMENTS[setup.optimizer] * trains),
        "reference": setup.references * reference,
    }
    process = {"process": PROCESS["cuda" if setup.on_gpu else "cpu"]}
    return {name: value // share for name, value in terms.items()} | process


def trained(size: ModelSize) -> int:
    """Number of weights that train."""
    return size.adapter.weights if size.adapter else size.weights - size.frozen


def _frozen(size: ModelSize, setup: Setup, weights: int) -> int:
    """Bytes of the policy's frozen weights. Without an adapter, they are fp32 like the trained ones."""
    if size.adapter is None:
        return FP32 * weights
    packed = size.language.linear if setup.four_bits else 0
    return round(setup.width * (weights - packed) + NF4 * packed)


def _moments_of_a_pass(size: ModelSize, setup: Setup, shape: Shape) -> dict[str, Terms]:
    """What is in memory, beyond what stays, at each point that can be the peak."""
    layers, adapter = size.language, size.adapter
    kept, gathered = _kept(layers, adapter, setup, shape.tokens, shape.paths), _gathered(size, setup)
    gradients = {"gradients": FP32 * trained(size) // (setup.processes if setup.sharded else 1)}
    between = {
        **gradients,
        "activations": kept,
        "attention mask": _mask(setup, shape),
        "gathered weights": gathered,
        "pictures": _seeing(size, setup, shape),
    }
    inside = _inside(layers, adapter, setup, shape.tokens, shape.paths) + _returning(layers, setup, shape.tokens)
    return {
        "head": {**between, "autocast copies": _casts(size, setup), "logits": _logits(size, setup, shape)},
        "layer": {**between, "activations": kept + inside, "copies of a layer": _one_layer(size, setup)},
        "embeddings": {
            **gradients,
            "gathered weights": gathered,
            "pictures": _seeing(size, setup, shape),
            "copies of a layer": 0 if adapter else FP32 * size.embeddings,
        },
        "pictures": {**gradients, "gathered weights": gathered, "pictures": _looking(size, setup, shape)},
        "optimizer step": {**gradients, "optimizer's own": _stepping(size, setup)},
        "writing": {"state being written": 0 if setup.on_gpu else _writing(size, setup)},
    }


def _kept(stack: Stack, adapter: Adapter | None, setup: Setup, tokens: int, paths: int | None = None) -> int:
    """What all layers keep for the backward pass: their inputs, or without checkpointing everything inside."""
    if setup.checkpointing:
        return stack.layers * tokens * stack.hidden * (setup.width if adapter else FP32)  # fp32 embeddings, fp32 sums
    return stack.layers * _saved(stack, adapter, setup, tokens, paths)


def _saved(stack: Stack, adapter: Adapter | None, setup: Setup, tokens: int, paths: int | None) -> int:
    """What autograd saves inside one layer of a fully trained model, or of an adapter's base.

    The language model attends along `paths`; a vision tower has none.
    """
    hidden, products = stack.hidden, 4 if stack.gated else 2  # gate, its activation, inner, their product
    if not setup.bf16:  # the sum between the halves, outputs of two norms; normed values, if the norms train
        around = (3 if adapter else 5) * hidden * FP32
    elif adapter is None:  # the sum and normed values; autocast's copies of the inputs of five linear layers
        around = 3 * hidden * FP32 + 5 * hidden * BF16
    else:  # both norms' inputs in fp32, the sum; autocast's copies of the inputs of all adapted layers
        around = 2 * hidden * FP32 + hidden * BF16 + adapter.inputs * BF16
        products -= 1
    if paths is None:  # queries, keys, values, output
        attention = tokens * (2 * stack.queries + 2 * stack.keys)
    else:  # queries, output by rows, output as a whole; keys and values of every path
        attention = tokens * 3 * stack.queries + paths * 2 * stack.keys
    return tokens * (around + products * stack.inner * setup.width) + attention * setup.width


def _returning(stack: Stack, setup: Setup, tokens: int) -> int:
    """Gradients passing through one layer: of its output twice, and of two inner values."""
    return tokens * setup.width * (2 * stack.hidden + 2 * stack.inner)


def _mask(setup: Setup, shape: Shape) -> int:
    """The most that attention adds to the scores: each token's path. GPUs need no mask."""
    return 0 if setup.on_gpu else shape.tokens * shape.longest * setup.width


def _logits(size: ModelSize, setup: Setup, shape: Shape) -> int:
    """The head's backward pass: a tile of logits, the head in bf16, gradients of the states and of the head."""
    rows, hidden = min(shape.answers, TILE_ROWS), size.language.hidden
    columns = min(size.vocabulary, TILE_COLUMNS)
    copies = setup.width if setup.on_gpu else setup.width + TILE_COPIES * FP32
    tile = round(rows * (TILE_COLUMNS if setup.on_gpu else columns) * copies)
    states = shape.answers * hidden * (setup.width + 2 * FP32)
    cast = columns * hidden * BF16 if setup.bf16 and size.adapter is None else 0
    head = size.vocabulary * hidden * FP32 if size.adapter is None else 0
    return tile + states + cast + head


def _inside(stack: Stack, adapter: Adapter | None, setup: Setup, tokens: int, paths: int | None = None) -> int:
    """One recomputed layer; without checkpointing, `_kept` already counts it."""
    return _saved(stack, adapter, setup, tokens, paths) if setup.checkpointing else 0


def _casts(size: ModelSize, setup: Setup) -> int:
    """bf16 copies of the fp32 weights that train, which autocast keeps during the forward pass."""
    return BF16 * trained(size) if setup.bf16 and not setup.sharded else 0


def _one_layer(size: ModelSize, setup: Setup) -> int:
    """Copies of one layer's weights: autocast's, and the gradient of its largest matrix before accumulation."""
    if size.adapter is not None:
        return setup.width * size.language.largest if setup.four_bits else 0  # an unpacked matrix
    return BF16 * size.language.per_layer * setup.bf16 + FP32 * size.language.largest


def _gathered(size: ModelSize, setup: Setup) -> int:
    """FSDP: the root during the whole pass, a layer and the next one, and the layer's gradients in transit."""
    if not setup.sharded:
        return 0
    root, layer = size.embeddings + size.head + size.others, size.language.per_layer
    layers = 2 * layer if setup.reshards else size.language.weights
    returning = (FP32 + setup.width) * layer if size.adapter is None else 0
    return setup.width * (root + layers) + returning


def _features(size: ModelSize, setup: Setup, shape: Shape) -> int:
    """Features of all pictures in a round, if the tower is frozen."""
    return min(KEPT_FEATURES, shape.features * size.language.hidden * setup.width) if size.sees_frozen else 0


def _inputs(size: ModelSize, shape: Shape) -> int:
    return shape.patches * size.patch * FP32


def _seeing(size: ModelSize, setup: Setup, shape: Shape) -> int:
    """What a trained tower keeps for the backward pass."""
    if size.vision is None or size.sees_frozen:
        return 0
    return _inputs(size, shape) + _kept(size.vision, None, setup, shape.patches)


def _looking(size: ModelSize, setup: Setup, shape: Shape) -> int:
    """The working tower: one layer's backward pass if it trains, else a forward pass that keeps nothing."""
    tower = size.vision
    if tower is None:
        return 0
    if size.sees_frozen:
        return _inputs(size, shape) + shape.patches * setup.width * (4 * tower.hidden + 2 * tower.inner)
    one = _inside(tower, None, setup, shape.patches) + _returning(tower, setup, shape.patches)
    return _seeing(size, setup, shape) + one + FP32 * tower.largest


def _writing(size: ModelSize, setup: Setup) -> int:
    """A part of the state, which safetensors copies twice, plus a copy of the whole state for background writing."""
    state = round((FP32 + MOMENTS[setup.optimizer]) * trained(size))
    return 2 * min(state, PART_BYTES) + (state if setup.copies_state else 0)


def _stepping(size: ModelSize, setup: Setup) -> int:
    """AdamW's temporary tensors: for all weights at once on a GPU, for one at a time on a CPU, or for part of one."""
    share = setup.processes if setup.sharded else 1
    largest = size.adapter.largest if size.adapter else size.largest
    if setup.optimizer != "adamw" or setup.offload:
        return 4 * FP32 * min(largest, AT_ONCE)
    return FP32 * trained(size) // share if setup.on_gpu else 2 * FP32 * largest
