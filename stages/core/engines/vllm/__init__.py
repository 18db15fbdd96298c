"""The vLLM engine: takes the requests of all games at once, and computes as many as the accelerator holds."""

from stages.core.engines.vllm.engine import VllmEngine

__all__ = ["VllmEngine"]
