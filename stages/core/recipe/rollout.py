"""The `rollout` section: how games are played and completions sampled."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from stages.core.recipe.base import NumericField, RuntimeField, Section
from stages.core.recipe.engines import Executor, ServerSettings, VllmSettings
from stages.core.user_code import is_user_file


class Seats(Section):
    """Each role's policy: `current` (in training), `base` (the run's first), a folder, a hub name or an address."""

    civilian: str = Field(
        "current", description="Policy of the civilians, and of their votes with game.voters: civilians."
    )
    spy: str = Field("current", description="Policy of the spy.")
    analyst: str = Field("current", description="Policy of the analyst, who votes.")


class Rollout(Section):
    """What answers prompts, how it samples, and how much it does at once."""

    engine: str = Field(
        "transformers",
        description="What answers prompts: transformers (Hugging Face generate, on CPU and CUDA), vllm, server "
        "(OpenAI-compatible), fake (scripted answers, for tests), or your own Python file (docs/doors/engine.md).",
    )
    temperature: float = Field(0.8, ge=0, description="Sampling temperature (code: 0.8). 0: greedy.")
    top_p: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Nucleus sampling: keep this share of the probability mass. 1: all of it, which training needs "
        "(code: 1, but top-k 50).",
    )
    max_clue_tokens: int = Field(
        512, ge=1, description="Longest clue answer in tokens (paper's completion length: 512)."
    )
    max_vote_tokens: int = Field(
        512, ge=1, description="Longest vote answer in tokens (paper's completion length: 512)."
    )
    max_thinking_tokens: int = Field(
        0,
        ge=0,
        description="Tokens for private thought, added to max_clue_tokens and max_vote_tokens. Set it for thinking "
        "models. An answer that is cut off inside its thought counts as truncated_thoughts; vz forces no closing tag "
        "on the model (paper and code: none).",
    )
    min_clue_tokens: int = Field(0, ge=0, description="Shortest clue answer in tokens (code: 20).")
    min_vote_tokens: int = Field(0, ge=0, description="Shortest vote answer in tokens (code: 100).")
    clue_repetition_penalty: float = Field(1.0, gt=0, description="Repetition penalty of clues. 1: none (code).")
    vote_repetition_penalty: float = Field(1.0, gt=0, description="Repetition penalty of votes. 1: none (code: 1.1).")
    max_prompt_tokens: int = RuntimeField(
        8000,
        ge=16,
        description="Longest prompt in tokens; a longer prompt is an error and is never cut (paper: 8,000).",
    )
    unplayable: Literal["refuse", "skip"] = RuntimeField(
        "refuse",
        description="What to do with pairs whose longest prompt exceeds max_prompt_tokens, or whose picture the "
        "model's processor refuses. refuse: stop before playing any game. skip: leave them out and list them in "
        "unplayable.parquet.",
    )
    concurrent_games: int = NumericField(
        256, ge=1, description="Number of games played at once; more games need more memory (vz: 256)."
    )
    batch_size: int = NumericField(
        64, ge=1, description="Number of completions that the transformers engine computes together (vz: 64)."
    )
    save_seconds: float = RuntimeField(
        30,
        ge=0,
        description="Longest time in seconds before a finished game is saved; a kill loses at most these games (vz: "
        "30). With deterministic: true, each block of concurrent_games is saved when it finishes.",
    )
    seats: Seats = Field(default_factory=Seats, description="The policy of each role.")
    vllm: VllmSettings = Field(default_factory=VllmSettings, description="The vLLM engine.")
    server: ServerSettings = Field(default_factory=ServerSettings, description="The server engine.")
    executor: Executor = RuntimeField(
        default_factory=Executor,
        description="Engines in several processes or on several machines.",
    )

    @property
    def reads_prompts_here(self) -> bool:
        """Whether the engine tokenises prompts in this process, with the model's own Hugging Face processor."""
        return self.engine in ("transformers", "vllm")

    def longest(self, phase: str) -> int:
        """Most tokens in a completion of this phase, including thought."""
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
