# The environment in .venv is made once, and again only after what it is made from changes.
PYTHON ?= python3
PY := .venv/bin/python
MADE := .venv/.made
HUB := .venv/hub
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# In a container one is often root, and Jupyter asks for that to be said.
LAB = $(PY) -m jupyterlab --ip=127.0.0.1 $(if $(filter 0,$(shell id -u)),--allow-root) \
	--LabApp.default_url=/lab/tree/notebooks/00_which_steps.ipynb \
	--LabApp.extension_manager=readonly

.PHONY: help lab test lint notebooks bench claims fuzz soak rehearse oracles matrix access constraints handouts teaching editions progress check hub hub-test

help:
	@echo "make lab          open the lessons in JupyterLab"
	@echo "make test         run every test"
	@echo "make lint         check code and notebooks with ruff"
	@echo "make notebooks    run and store every lesson again (NAMES='00 01' for some)"
	@echo "make handouts     make each lesson as a page that needs no Python, with a PDF (NAMES=01 for one)"
	@echo "make teaching     bring the teacher's pages up to date with the lessons"
	@echo "make bench        measure the speed and write benchmarks/README.md"
	@echo "make claims       run what the lessons say of Keras on several versions, write docs/claims.md"
	@echo "make fuzz         call the lessons' functions with bad arguments at random (CALLS, SECONDS, SEED)"
	@echo "make soak         move every explorer at random (SECONDS for each; ONLY=reach; BROWSER=1 in JupyterLab)"
	@echo "make rehearse     treat every lesson as a class will (NAMES=01 for one, SECONDS in all)"
	@echo "make oracles      compare with PyTorch, which this installs"
	@echo "make matrix       run the tests on other versions, write the table in the README"
	@echo "make access       ask axe-core about every lesson in JupyterLab and Notebook 7, light and dark"
	@echo "make check        say in a line each what a laptop lacks for the lessons"
	@echo "make editions     write learners' and teachers' notebooks to build/editions"
	@echo "make progress FOLDER=…  sum up what a class chose and tried"
	@echo "make hub PASSWORD=…     serve a class from this machine, to try it out"
	@echo "make hub-test     measure that server with one, five and ten learners"
	@echo "make constraints  pin the newest versions that pyproject.toml allows"

lab: $(MADE)
	$(LAB)

# Three files at a time, also on two cores: the browser tests, which come first, mostly wait.
test: $(MADE)
	$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

lint: $(MADE)
	$(PY) -m ruff check
	$(PY) -m ruff format --check

notebooks: $(MADE)
	$(PY) tools/store.py $(NAMES)

# The pages are then looked at in Chromium, where present: every control, offline, light and dark.
handouts: $(MADE)
	$(PY) -m tools.handouts $(NAMES)
	HANDOUTS=build/handouts $(PY) -m pytest -q tests/test_handouts.py

teaching: $(MADE)
	$(PY) -m tools.teaching

bench: $(MADE)
	$(PY) -m benchmarks

claims: $(MADE)
	$(PY) tools/claims.py

fuzz: $(MADE)
	$(PY) -m tools.fuzz --calls $(or $(CALLS),5000) --seconds $(or $(SECONDS),1200) $(if $(SEED),--seed $(SEED))

soak: $(MADE)
	$(PY) -m tools.soak --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(if $(BROWSER),--browser) \
		$(if $(ONLY),--only $(ONLY))

rehearse: $(MADE)
	$(PY) -m tools.rehearse --seconds $(or $(SECONDS),14400) $(if $(SEED),--seed $(SEED)) $(NAMES)

oracles: $(MADE)
	$(PY) -m pip install --quiet --editable '.[bench]'
	$(PY) -m pytest -q tests/test_oracles.py

matrix: $(MADE)
	$(PY) tools/matrix.py

access: $(MADE)
	ACCESS=1 $(PY) -m pytest -q tests/test_browser.py

check: $(MADE)
	$(PY) tools/check_laptop.py

# SOLUTIONS=folded keeps them in the learners' notebooks; PROGRESS=1 keeps their first choices.
editions: $(MADE)
	$(PY) tools/editions.py $(if $(SOLUTIONS),--solutions $(SOLUTIONS)) $(if $(PROGRESS),--progress) $(NAMES)

progress: $(MADE)
	$(PY) tools/progress.py "$(or $(FOLDER),build/class)"

hub: $(HUB)/.made
	@LESSONS_ADDRESS="$(or $(ADDRESS),127.0.0.1)" LESSONS_PORT="$(or $(PORT),8000)" \
		LESSONS_PASSWORD="$(or $(PASSWORD),$(error make hub PASSWORD=… (8 characters or more)))" \
		$(HUB)/bin/python -m jupyterhub --config teaching/hub/jupyterhub_config.py

hub-test: $(HUB)/.made
	$(PY) tools/hub_test.py $(or $(LEARNERS),1 5 10)

# It sees what .venv holds, so that only JupyterHub itself is added.
$(HUB)/.made: $(MADE) teaching/hub/requirements.txt
	@command -v npm >/dev/null || { echo "JupyterHub's proxy comes from npm: install Node.js 20 or newer." >&2; exit 1; }
	$(PY) -m venv --clear $(HUB)
	$(PY) -c 'import sysconfig, sys; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> "$$($(HUB)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/lessons.pth"
	$(HUB)/bin/python -m pip install --quiet --constraint constraints.txt --requirement teaching/hub/requirements.txt
	npm install --silent --no-fund --no-audit --prefix $(HUB) configurable-http-proxy@5
	@touch $@

# In an environment of its own: the old pins may contradict what pyproject.toml has come to ask for.
constraints:
	$(PYTHON) -m venv .venv/uv
	.venv/uv/bin/python -m pip install --quiet uv
	.venv/uv/bin/python -m uv pip compile --quiet --universal --upgrade --python-version 3.11 --fork-strategy fewest \
		--extra test --extra dev --no-annotate --custom-compile-command "make constraints" \
		--output-file constraints.txt pyproject.toml

$(MADE): pyproject.toml constraints.txt
	@$(PY) -c '$(SUPPORTED)' 2>/dev/null || $(PYTHON) -c '$(SUPPORTED)' 2>/dev/null || { \
		echo 'These lessons need Python 3.11, 3.12 or 3.13, and "$(PYTHON)" is not one of them: name one with "make PYTHON=python3.12 $(or $(MAKECMDGOALS),lab)".' >&2; \
		exit 1; }
	@echo "Making the environment in .venv, once: a download of about 0.8 GB, a few minutes."
	@$(PY) -c '$(SUPPORTED)' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	$(PY) -m pip install --constraint constraints.txt --editable '.[test,dev]'
	@# No news pop-up and no look for updates: the lessons need no network.
	$(PY) -m jupyter labextension disable @jupyterlab/apputils-extension:announcements
	@touch $@
