# The project's verbs. Each makes the set-up first when it is due.
#   make finetune ARGS="task:=trot headless:=true"
#   make test
# Where the registry's PyTorch brings CUDA along, PIP_EXTRA_INDEX_URL can name an index of CPU builds.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
STANDIN := $(VENV)/.ros2_minimal
BUILT := install/.built

# As in any ROS 2 workspace, with discovery kept on this machine unless the user says otherwise.
WORKSPACE = . $(BIN)/activate && . install/setup.sh && export PYTHONPATH="$(CURDIR):$$PYTHONPATH" && \
	export ROS_AUTOMATIC_DISCOVERY_RANGE="$${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}"
PYTEST = $(WORKSPACE) && python -m pytest

.PHONY: setup build finetune test test-fast check format clean

setup: $(BUILT)

$(INSTALLED): requirements.txt requirements-dev.txt constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))" || { \
		echo "$(PYTHON) is not Python 3.11 or 3.12, for which the ROS 2 wheels are built; name one, as in make PYTHON=python3.11."; \
		exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo "Without the module venv there is no set-up; on Debian: apt-get install python3-venv."; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-r requirements.txt -r requirements-dev.txt
	touch $@

# A real ROS 2, where there is one, comes first.
$(STANDIN): $(INSTALLED) ros2_minimal/pyproject.toml $(shell find ros2_minimal -name '*.py' -not -path '*/build/*')
	$(BIN)/python -m pip uninstall --quiet --yes ros2-minimal 2>/dev/null
	$(BIN)/python -c "import launch_ros.actions" 2>/dev/null || $(BIN)/python -m pip install --quiet \
		--disable-pip-version-check --no-deps --no-build-isolation ./ros2_minimal
	rm -rf ros2_minimal/build ros2_minimal/*.egg-info
	touch $@

$(BUILT): $(STANDIN) package.xml setup.py setup.cfg $(wildcard launch/*.launch.py urdf/*) $(shell find config -type f -o -type d)
	$(MAKE) build

build: $(STANDIN)
	. $(BIN)/activate && python -m colcon --log-base log build --base-paths . --packages-select ros2_rl \
		--merge-install --symlink-install --event-handlers console_direct- console_cohesion-
	touch $(BUILT)

finetune: setup
	@$(WORKSPACE) && exec ros2 launch ros2_rl finetune.launch.py $(ARGS)

test: setup
	$(PYTEST) -n 2 test/unit
	$(PYTEST) test/graph
	$(PYTEST) test/scenario
	@if command -v chromium >/dev/null; then set -x; $(PYTEST) test/browser; \
		else echo "The browser test is left out: there is no chromium; on Debian: apt-get install chromium."; fi

test-fast: setup
	$(PYTEST) -n 2 test/unit

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy ros2_rl bench
	$(BIN)/mypy --explicit-package-bases $(addprefix ros2_minimal/,launch launch_ros ros2_minimal)

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build install log $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
