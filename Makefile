# make demo      install, run the main job on the sample that ships with the project, say where the report is
# make airflow   a local Airflow with the DAGs that ship, on http://127.0.0.1:8080
# make test      install, run the checks
# make test-all  the long suites too
# make venv      install only
# make bench     our line beside datatrove's on the real pages beside the checkout; the peer gets an environment of its own
# make extractor the learned extractor again, from gold pages: GOLD=folder HELD_OUT=hosts to leave out
# make bench-training   our trainer beside Hugging Face's, litgpt's and a bare loop, on this machine's card or its cores

PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_35 := $(VENV)-spark35/.installed

AIRFLOW_HOME ?= $(CURDIR)/runs/airflow
AIRFLOW := AIRFLOW_HOME=$(AIRFLOW_HOME) AIRFLOW__CORE__DAGS_FOLDER=$(CURDIR)/airflow_dags/dags \
	AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__API__HOST=127.0.0.1 PATH=$(CURDIR)/$(BIN):$$PATH

# a process of tests for each core: more threads in each would only stand in each other's way
QUIET := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE

.PHONY: venv demo airflow test test-all lint bench bench-training extractor clean

venv: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "millstream needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[train,spark,ray,airflow,dev]'
	@touch $(INSTALLED)

# Spark 3.5 is what many clusters run; its tests get an environment of their own, without torch
$(INSTALLED_35): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-spark35
	grep -v -E '^(pyspark|py4j)==' constraints.txt > $(VENV)-spark35/constraints.txt
	$(VENV)-spark35/bin/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c $(VENV)-spark35/constraints.txt \
		-e '.[spark,s3]' 'pyspark==3.5.*'
	@touch $(INSTALLED_35)

demo: venv
	$(BIN)/millstream run demo

airflow: venv
	$(BIN)/python samples/cut_snapshots.py $(AIRFLOW_HOME)/crawl
	$(AIRFLOW) airflow db migrate
	$(AIRFLOW) airflow standalone

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint $(INSTALLED_35)
	$(QUIET) $(BIN)/python -m pytest -n auto --dist loadfile -m "not slow"

test-all: lint $(INSTALLED_35) .venv-lm-eval
	$(BIN)/python -m pytest

.venv-datatrove: constraints.txt
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt 'datatrove[io]' fasteners \
		fasttext-numpy2-wheel lxml_html_clean regex spacy tokenizers trafilatura xxhash
	@touch $@

bench: venv .venv-datatrove
	$(BIN)/python benchmarks/corpus_vs_datatrove.py

GOLD ?= ../shared/data/pages
HELD_OUT ?= ../shared/data/held-out-hosts.txt

.venv-extractor: pyproject.toml constraints.txt
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[extractor]'
	@touch $@

extractor: .venv-extractor
	.venv-extractor/bin/python -m corpus.html.learn $(GOLD) corpus/data/extractor.safetensors --held-out $(HELD_OUT)

.venv-training: pyproject.toml constraints.txt
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[train]' accelerate transformers
	@touch $@

# litgpt wants a huggingface_hub that our transformers cannot use
.venv-litgpt: constraints.txt
	$(PYTHON) -m venv $@
	grep -v -E '^huggingface_hub==' constraints.txt > $@/constraints.txt
	$@/bin/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c $@/constraints.txt litgpt
	@touch $@

# what our likelihoods are compared with
.venv-lm-eval: constraints.txt
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt 'lm_eval[hf]==0.4.13'
	@touch $@

bench-training: .venv-training .venv-litgpt
	.venv-training/bin/python benchmarks/trainers.py

clean:
	rm -rf $(VENV) $(VENV)-spark35 .venv-datatrove .venv-extractor .venv-training .venv-litgpt .venv-lm-eval runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
