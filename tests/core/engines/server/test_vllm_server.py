"""vLLM's real API server: its ids and log-probs match those of the trainer."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stages.core import vlm
from stages.core.engines.server import ServerEngine
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from tests.core.engines.vllm.world import Asker, build_model, recomputed, write_pictures
from tests.helpers import fake_recipe

pytestmark = pytest.mark.vllm

STARTS_WITHIN = 300  # seconds
PROCESSED, RAW = "processed_logprobs", "raw_logprobs"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("served"))


@pytest.fixture(
    scope="module", params=[pytest.param(mode, marks=pytest.mark.xdist_group(mode)) for mode in (PROCESSED, RAW)]
)
def server(request: pytest.FixtureRequest, model: Path) -> Iterator[tuple[str, str]]:
    """(address, log-probs mode) of a server of the model, whose name is `tiny`."""
    pytest.importorskip("vllm", reason="needs vLLM: make test-vllm")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--port", str(port)]
    command += ["--served-model-name", "tiny", "--logprobs-mode", request.param, "--enforce-eager"]
    command += ["--block-size", "32", "--dtype", "float32", "--max-num-seqs", "32"]
    environment = {**os.environ, "TORCH_COMPILE_DISABLE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
    with (model / f"{request.param}.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}/v1"
        try:
            _wait_for(url, process, Path(log.name))
            yield url, request.param
        finally:
            process.terminate()
            process.wait(60)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{url}/models", timeout=5).close()
            return
        except OSError:
            time.sleep(1)
    raise AssertionError(f"the server did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
def asker(server: tuple[str, str], model: Path, tmp_path: Path) -> Iterator[Asker]:
    recipe = _recipe(server[0], model)
    with ServerEngine(recipe) as engine:
        engine.load("current", model, "v1")
        yield Asker(engine, recipe, write_pictures(tmp_path))


def _recipe(url: str, model: Path, *overrides: str) -> Recipe:
    # A random model says the picture's placeholder now and then; the engines that load weights forbid it.
    config = fake_recipe().model
    placeholders = vlm.placeholder_tokens(vlm.load_model(model, config), vlm.load_processor(model, config))
    forbidden = ", ".join(f"'{token}': -100" for token in placeholders)
    served = [f"rollout.server.url={url}", f"rollout.server.extra_body={{logit_bias: {{{forbidden}}}}}"]
    return fake_recipe("rollout.engine=server", "rollout.temperature=0.8", "rollout.max_prompt_tokens=4000", *served,
                       *overrides)  # fmt: skip


def test_ids_and_log_probs_match_the_trainer(server: tuple[str, str], asker: Asker, model: Path):
    for number in range(4):
        request = asker.request(number)
        ((made,),) = asker.ask([request])
        if server[1] == RAW:  # of temperature 1: kept without, so that they cannot train
            assert (made.token_ids, made.prompt_sha256) == ([], None)
            continue
        processor = vlm.load_processor(model, asker.recipe.model)
        inputs = vlm.encode(processor, [request.messages], [[picture.load() for picture in request.pictures]])
        ids = inputs["input_ids"][0].tolist()
        assert (made.prompt_tokens, made.prompt_sha256) == (len(ids), vlm.prompt_hash(ids))
        assert made.logprobs == pytest.approx(recomputed(model, asker.recipe, request, made).tolist(), abs=1e-4)
        assert (made.token_ids[-1] == 5) == (made.finish_reason == "stop")


def test_rules_of_sampling_match_training(server: tuple[str, str], asker: Asker, model: Path):
    request = asker.request(1)
    ruled = replace(request.sampling, temperature=1.0, min_tokens=6, repetition_penalty=1.5)
    request = replace(request, sampling=ruled)
    ((made,),) = asker.ask([request])
    if server[1] == RAW:  # before the rules, so that they cannot train, at whatever temperature
        assert (made.token_ids, made.prompt_sha256) == ([], None)
        return
    assert len(made.token_ids) > 6
    assert made.logprobs == pytest.approx(recomputed(model, asker.recipe, request, made).tolist(), abs=1e-4)


def test_raw_log_probs_may_train_at_temperature_one(asker: Asker, model: Path):
    request = asker.request(0)
    request = replace(request, sampling=replace(request.sampling, temperature=1.0))
    ((made,),) = asker.ask([request])
    # Raw ones count the placeholder, one of some hundred tokens, which is forbidden only afterwards.
    assert made.logprobs == pytest.approx(recomputed(model, asker.recipe, request, made).tolist(), abs=0.05)


def test_a_seed_draws_the_same_alone_and_among_many(asker: Asker):
    requests = [asker.request(number, n=2) for number in range(12)]
    together = asker.ask(requests)
    for number in (0, 5, 11):
        again = replace(requests[number], n=1, seed=requests[number].seed + 1)
        assert asker.ask([again])[0][0].text == together[number][1].text
    assert len({answer.text for answers in together for answer in answers}) > 6


def test_a_wrong_name_and_a_wrong_request_are_explained(server: tuple[str, str], model: Path, tmp_path: Path):
    with ServerEngine(_recipe(server[0], model)) as engine:
        asker = Asker(engine, _recipe(server[0], model), write_pictures(tmp_path))
        engine.load("current", f"{server[0]}#other", "v1")
        with pytest.raises(InputError, match="has no model 'other'; it has 'tiny'"):
            asker.ask([asker.request(0)])
        engine.load("current", f"{server[0]}#tiny", "v1")
        odd = asker.request(0)
        with pytest.raises(InputError, match=r"min_tokens must be less than.*\(400\)"):
            asker.ask([replace(odd, sampling=replace(odd.sampling, min_tokens=10**6))])
