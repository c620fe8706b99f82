# The two commands of the README, and what developers need. Everything installs into virtual environments of its own.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
DEMO := .venv-demo
DEV := .venv
PIP_FLAGS := --quiet --disable-pip-version-check --constraint constraints.txt
export MIEN_SHARED ?= $(abspath ../shared)

.PHONY: help demo test system check lint types layers unit web models scene landmarks results steps docs pages notebooks stores package sbom licences audit bench-install bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

demo: $(DEMO)/installed ## install the base package and read the example photo
	$(DEMO)/bin/mien predict examples/astronaut.jpg --annotate out/demo
	@echo "annotated picture: out/demo/astronaut.jpg"

$(DEMO)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/pip install $(PIP_FLAGS) --editable .
	@touch $@

$(DEV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/pip install $(PIP_FLAGS) --editable '.[dev]'
	$(DEV)/bin/pip install $(PIP_FLAGS) --no-deps mediapipe  # its OpenCV would take the place of the headless one
	@touch $@

test: system check web unit ## everything: style, types, layers, tests

system: ## as root on Debian: install the browser and the database that tests use
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  missing=""; command -v chromium >/dev/null || missing="$$missing chromium"; \
	  [ -d /usr/lib/postgresql ] || missing="$$missing postgresql"; \
	  ldconfig -p | grep -q libGLESv2.so.2 || missing="$$missing libegl1 libgles2"; \
	  if [ -n "$$missing" ]; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  fi; \
	fi

check: lint types layers ## style, types and import layers

lint: $(DEV)/installed ## style, and bandit's security rules (ruff's S)
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .

types: $(DEV)/installed
	$(DEV)/bin/mypy

layers: $(DEV)/installed
	$(DEV)/bin/lint-imports --no-cache

unit: $(DEV)/installed
	$(DEV)/bin/python -m pytest -m 'not long'

web: ## check, test and build the Studio (needs Node 20.19 or newer; without it the server has no web app)
	@if ! command -v npm >/dev/null; then echo "npm is not installed: the Studio is not built"; exit 0; fi; \
	cd web && npm ci --no-audit --no-fund && npm run check && npm test && npm run build

EXPRESSION ?= runs/expression-muon-average/best.ckpt
FACE ?= runs/face-muon/best.ckpt
TABLE ?= out/fer2013
FACES ?= $(MIEN_SHARED)/data/faces

models: $(DEV)/installed ## export trained checkpoints (EXPRESSION=, FACE=) into the package
	$(DEV)/bin/mien export $(EXPRESSION) --table $(TABLE) -o src/mien/assets/expression
	$(DEV)/bin/mien export $(FACE) --table $(FACES) -o src/mien/assets/face
	$(DEV)/bin/mien evaluate src/mien/assets/expression $(TABLE) --fit --photos $(FACES)/faces.jsonl \
	  --json docs/results/quality.json
	$(DEV)/bin/python -m tests.golden.write

OASIS ?= $(MIEN_SHARED)/data/oasis
START ?= $(MIEN_SHARED)/models/mobilenet_v1_0.75_224.npz

scene: $(DEV)/installed ## make the model of whole pictures (a few minutes) and write its figures
	$(DEV)/bin/mien data import oasis $(OASIS) -o out/oasis --option images=$(FACES)/images
	$(DEV)/bin/mien train scene out/oasis --start $(START) -o src/mien/assets/scene --json docs/results/scene.json
	$(DEV)/bin/python -m tests.golden.write
	$(DEV)/bin/python docs/results/motion.py

landmarks: $(DEV)/installed ## make the model on landmarks (extra mediapipe; half an hour)
	MIEN_MODELS=$(MIEN_SHARED)/models $(DEV)/bin/mien landmarks $(TABLE) --crops -o out/landmarks.parquet
	$(DEV)/bin/mien train classical out/landmarks.parquet --table $(TABLE) --export mlp --sample 3000 \
	  -o src/mien/assets/landmarks
	MIEN_MODELS=$(MIEN_SHARED)/models $(DEV)/bin/mien evaluate landmarks $(TABLE) --protocol hard \
	  --json docs/results/landmarks-hard.json

results: $(DEV)/installed ## measure the models in the package and write the README's tables
	$(DEV)/bin/mien evaluate expression $(TABLE) --protocol ferplus-majority --flip --slices --robustness --no-pictures \
	  --json docs/results/expression-ferplus-flip.json --report docs/results/expression.html
	$(DEV)/bin/mien evaluate expression $(TABLE) --protocol ferplus-majority --json docs/results/expression-ferplus.json
	$(DEV)/bin/mien evaluate expression $(TABLE) --protocol hard --flip --json docs/results/expression-hard-flip.json
	$(DEV)/bin/mien evaluate expression $(TABLE) --protocol hard --json docs/results/expression-hard.json
	$(DEV)/bin/mien evaluate expression $(TABLE) --protocol hard --views ten --json docs/results/expression-hard-ten.json
	$(DEV)/bin/mien evaluate expression $(TABLE) --protocol ferplus-majority --views ten --json docs/results/expression-ferplus-ten.json
	for side in 320 512 640; do for detector in mien "yunet --compare mien"; do MIEN_MODELS=$(MIEN_SHARED)/models \
	  $(DEV)/bin/mien evaluate $$detector $(FACES)/faces.jsonl --side $$side --slices --robustness \
	  --json docs/results/face-$${detector%% *}-$$side.json; done; done
	MIEN_MODELS=$(MIEN_SHARED)/models $(DEV)/bin/python benchmarks/face_filling.py $(TABLE) --detector mien --detector yunet \
	  $(if $(wildcard runs/face-model),--detector mien=runs/face-model)
	$(DEV)/bin/python benchmarks/judging.py $(TABLE) --checkpoint $(EXPRESSION) --photos $(FACES)/faces.jsonl
	$(DEV)/bin/python docs/results/table.py
	$(DEV)/bin/python docs/results/judging.py

# Each folder is `mien export CHECKPOINT --table $(TABLE) -o FOLDER` of a course; the recipes' headers lead to its checkpoint.
STEPS ?= "first course=runs/expression-first-model" "second course=runs/expression-model" \
  "tried: enlarged, then taught, their mean=runs/expression-enlarged-model" "third, patient=runs/expression-patient-model" \
  "mean of two moments of the third=runs/expression-average-model" "fourth, Muon=runs/expression-muon-model" \
  "mean of third and fourth, ships=expression"

steps: $(DEV)/installed ## measure what each course of the expression model gave (needs the courses' model folders)
	$(DEV)/bin/python benchmarks/steps.py $(TABLE) $(STEPS)
	$(DEV)/bin/python benchmarks/other_faces.py runs/expression-first-model runs/expression-model \
	  runs/expression-enlarged-model runs/expression-patient-model runs/expression-average-model runs/expression-muon-model \
	  expression --oasis $(OASIS)/oasis.csv --images $(FACES)/images
	$(DEV)/bin/mien train ablate recipes/ablation/flagship.toml --table $(TABLE) --limit 4000 --seeds 3 -o runs/flagship
	$(DEV)/bin/python docs/results/ablation.py flagship=runs/flagship/ablation.json
	$(DEV)/bin/python docs/results/steps.py

bench: $(DEV)/installed ## measure this machine, and write the README's tables
	for side in 320 auto; do for faces in 1 5; do \
	  $(DEV)/bin/mien bench --side $$side --faces $$faces --json docs/results/bench-$$side-$$faces.json; done; done
	for side in 320 512 640; do MIEN_MODELS=$(MIEN_SHARED)/models $(DEV)/bin/mien bench --side $$side --no-cold \
	  --against detector=yunet --json docs/results/bench-yunet-$$side.json; done
	$(DEV)/bin/python docs/results/table.py

docs: $(DEV)/installed ## build the documentation into out/site; a warning fails it
	$(DEV)/bin/python -m documentation

pages: $(DEV)/installed ## run every block of code on every page, those that train too, and the notebooks
	$(DEV)/bin/python -m pytest tests/docs

notebooks: $(DEV)/installed ## run the notebooks and store their outputs in them
	$(DEV)/bin/python -m documentation.run_notebooks

stores: $(DEV)/installed ## test paths in object stores, Azure's too: installs its emulator (needs Node; 365 MB)
	cd tests/emulators && npm ci --no-audit --no-fund --ignore-scripts
	$(DEV)/bin/python -m pytest tests/integration/test_object_store.py

package: $(DEV)/installed ## build wheel and sdist, check them, install the wheel into a fresh environment (PYTHON=)
	rm -rf dist
	$(DEV)/bin/python -m build --outdir dist
	$(DEV)/bin/twine check --strict dist/*
	$(DEV)/bin/python -m release.check_wheel dist/*.whl --python $(PYTHON) $(if $(shell command -v npm),--studio)
	ls -l dist

licences: $(DEV)/installed ## list the licences of all that is installed with mien; one that does not fit fails
	@$(DEV)/bin/python -m release.licences

sbom: $(DEMO)/installed $(DEV)/installed ## write bills of materials (base, everything) and the list of licences into out/sbom
	mkdir -p out/sbom
	$(DEV)/bin/python -m release.licences > out/sbom/licences.tsv
	$(DEV)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o out/sbom/base.cdx.json $(DEMO)/bin/python
	$(DEV)/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible -o out/sbom/everything.cdx.json

audit: $(DEV)/installed ## look known security holes of the pinned versions up (needs the network; 2: not looked up)
	@$(DEV)/bin/python -m release.audit

bench-install: $(DEV)/installed ## measure what each extra weighs and how long importing takes
	$(DEV)/bin/python -m release.weight --fresh base --json docs/results/install.json

clean: ## remove environments and what was made
	rm -rf .venv .venv-demo out dist build
