"""The vLLM engine: every game's requests at once, as many in computation as the accelerator holds."""

from stages.core.engines.vllm.engine import VllmEngine

__all__ = ["VllmEngine"]
