"""Playing through any OpenAI-compatible server: vLLM, SGLang, llama.cpp, a hosted model."""

from stages.core.engines.server.engine import ServerEngine

__all__ = ["ServerEngine"]
