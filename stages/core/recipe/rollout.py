"""The `rollout` section: how games are played and completions sampled."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from stages.core.recipe.base import NumericField, RuntimeField, Section
from stages.core.recipe.engines import Executor, ServerSettings, VllmSettings
from stages.core.user_code import is_user_file


class Seats(Section):
    """Which policy plays which role. `current` is the one in training, `base` the run's first; others are paths."""

    civilian: str = Field("current", description="Policy of the civilians (their votes too, with voters: civilians).")
    spy: str = Field("current", description="Policy of the spy.")
    analyst: str = Field("current", description="Policy of the analyst who votes.")


class Rollout(Section):
    """Sampling and batching."""

    engine: str = Field(
        "transformers",
        description="Who answers: transformers (Hugging Face generate, on CPU and CUDA), vllm, server (an "
        "OpenAI-compatible one), fake (scripted answers, for tests), or a Python file of yours (docs/doors/engine.md).",
    )
    temperature: float = Field(0.8, ge=0, description="Sampling temperature (released code: 0.8); 0 is greedy.")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus; 1 samples untruncated, which importance ratios need.")
    max_clue_tokens: int = Field(
        512, ge=1, description="Longest clue answer in tokens (paper's completion length: 512)."
    )
    max_vote_tokens: int = Field(
        512, ge=1, description="Longest vote answer in tokens (paper's completion length: 512)."
    )
    max_thinking_tokens: int = Field(
        0,
        ge=0,
        description="Room for private thought, in tokens, added to max_clue_tokens and max_vote_tokens. An answer "
        "that is still thinking at its end is cut off and counted apart (truncated_thoughts); no token is forced on a "
        "model. Set it for thinking models (paper and code: none).",
    )
    min_clue_tokens: int = Field(0, ge=0, description="Shortest clue answer in tokens (released code: 20).")
    min_vote_tokens: int = Field(0, ge=0, description="Shortest vote answer in tokens (released code: 100).")
    clue_repetition_penalty: float = Field(1.0, gt=0, description="Of clues; 1 leaves the distribution alone.")
    vote_repetition_penalty: float = Field(1.0, gt=0, description="Of votes (released code: 1.1).")
    max_prompt_tokens: int = RuntimeField(
        8000, ge=16, description="A longer prompt is an error, never cut (paper: 8000)."
    )
    unplayable: Literal["refuse", "skip"] = RuntimeField(
        "refuse",
        description="Pairs whose longest prompt goes beyond max_prompt_tokens, or whose picture the model's processor "
        "cannot take. refuse: stop before anything is played. skip: leave them out, listed in unplayable.parquet.",
    )
    concurrent_games: int = NumericField(256, ge=1, description="Games in play at once; bounds memory.")
    batch_size: int = NumericField(64, ge=1, description="Completions computed together by the transformers engine.")
    save_seconds: float = RuntimeField(
        30,
        ge=0,
        description="Longest time before a finished game is saved, in seconds; a kill loses at most these games. With "
        "deterministic: true, each block of concurrent_games is saved when it is finished, instead.",
    )
    seats: Seats = Field(default_factory=Seats, description="Which policy plays which role.")
    vllm: VllmSettings = Field(default_factory=VllmSettings, description="The vLLM engine.")
    server: ServerSettings = Field(default_factory=ServerSettings, description="The server engine.")
    executor: Executor = RuntimeField(
        default_factory=Executor,
        description="Engines in several processes or on several machines.",
    )

    @property
    def reads_prompts_here(self) -> bool:
        """Whether the engine turns prompts into tokens by the model's own Hugging Face processor, in this process."""
        return self.engine in ("transformers", "vllm")

    def longest(self, phase: str) -> int:
        """Tokens of the longest completion of a clue or a decision phase, thought included."""
        return self.max_thinking_tokens + (self.max_clue_tokens if phase == "clue" else self.max_vote_tokens)

    @field_validator("engine")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in ("transformers", "vllm", "server", "fake") and not is_user_file(value):
            raise ValueError("must be transformers, vllm, server, fake or the path of a Python file (.py)")
        return value

    @model_validator(mode="after")
    def _shortest_is_no_longer_than_longest(self) -> Self:
        for what in ("clue", "vote"):
            least, most = getattr(self, f"min_{what}_tokens"), getattr(self, f"max_{what}_tokens")
            if least > most:
                raise ValueError(f"min_{what}_tokens is {least}, but max_{what}_tokens is {most}")
        return self
