# The project's four commands. `make run` is the whole ladder.
PYTHON ?= python3
EXTRAS ?=
VENV := .venv
IN_VENV := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(VENV)/bin/python

.PHONY: run install test dashboard profile

run: $(VENV)/installed  ## climb the ladder of params.yaml
	@$(IN_VENV) -m flows
