# Two commands: `make run` starts a working node, `make test` runs every test. Both set up what they need the first
# time, and start in seconds afterwards.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STATE_DIR ?= run
# What the tests call for real; installed when make runs as root, otherwise those tests skip and say why.
DEBIAN_TEST_PACKAGES := baresip linphone-cli sip-tester tshark tcpdump ffmpeg chromium pulseaudio pulseaudio-utils \
	libasound2-plugins libportaudio2 kamailio kamailio-tls-modules kamailio-websocket-modules dnsmasq-base coturn \
	nftables iproute2 mosquitto mosquitto-clients libspandsp2 asterisk-core-sounds-en-g722
# Who is measured beside ours, and the voices of both sets.
DEBIAN_DSP_PACKAGES := libspeexdsp1 libspandsp2 $(foreach language,en es fr it ru,asterisk-core-sounds-$(language)-g722)

# Installs those of the packages (1) that are missing, or says what comes of it (2).
define install_debian
missing=; for package in $(1); do \
	dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; done; \
if [ -z "$$missing" ]; then :; \
elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; \
else echo "Not root, so $(2):$$missing"; fi
endef

.PHONY: run test lint types coverage fuzz fuzz-node kill-door load bench-sip bench-media bench-calls bench-nat bench-dsp captures clean

run: $(VENV)/.run
	@$(BIN)/voipnode run --state-dir $(STATE_DIR) $(ARGS)

# Lint, types and tests of our own code, then a sixth of those with real programs, run beside the other five sixths, which
# mostly wait and come first; those that measure the clock, and what is heard and seen at once, come afterwards, beside
# outages alone, which wait for seconds.
PEERS := interop or browser
ALONE := promise or outage
# Where those are: to look through all the others for them takes longer than some of them do.
MARKED = $(shell grep -rlE "pytest\.mark\.(interop|browser|promise|outage)" --include="test_*.py" tests)
OWN_LOG := $(VENV)/own-tests.log
OUTAGE_LOG := $(VENV)/outage-tests.log
test: $(VENV)/.test $(VENV)/.peers
ifeq ($(strip $(ARGS)),)
	@($(MAKE) --no-print-directory lint types; checks=$$?; \
	$(BIN)/python -m pytest -p no:cacheprovider --behind -m "not ($(PEERS) or $(ALONE))"; own=$$?; \
	$(BIN)/python -m pytest -p no:cacheprovider --part 6/6 -m "($(PEERS)) and not ($(ALONE))" $(MARKED); exit $$((checks | own | $$?))) \
		>$(OWN_LOG) 2>&1 & own=$$!; \
	$(BIN)/python -m pytest --part 1,2,3,4,5/6 -m "($(PEERS)) and not ($(ALONE))" $(MARKED); peers=$$?; \
	wait $$own; own=$$?; cat $(OWN_LOG); \
	$(BIN)/python -m pytest -p no:cacheprovider -m outage $(MARKED) >$(OUTAGE_LOG) 2>&1 & outage=$$!; \
	$(BIN)/python -m pytest -m promise $(MARKED); promise=$$?; \
	wait $$outage; outage=$$?; cat $(OUTAGE_LOG); \
	exit $$((own | peers | outage | promise))
else
	$(BIN)/python -m pytest $(ARGS)
endif

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

coverage: $(VENV)/.test $(VENV)/.peers
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered --cov-report=html $(ARGS)

# Hostile input for a minute (SECONDS=600 for ten).
SECONDS ?= 60
fuzz: $(VENV)/.test
	$(BIN)/python -m tests.fuzz.fuzz_parser --seconds $(SECONDS)

# Hostile messages at a running node, a good call after every thousand.
MESSAGES ?= 100000
fuzz-node: $(VENV)/.test
	$(BIN)/python -m tests.fuzz.attack --messages $(MESSAGES) $(ARGS)

# Doors killed at random moments while they let somebody in, and what came of it; KILLS=200 takes a minute and a half.
KILLS ?= 200
kill-door: $(VENV)/.test
	$(BIN)/python -m tests.support.door_kills $(KILLS) $(ARGS)

# sipp at 100 calls a second for a minute against a node that it starts.
load: $(VENV)/.test $(VENV)/.peers
	$(BIN)/python benchmarks/sip_load.py $(ARGS)

# How many messages are read and how many calls answered on one core, beside baresip; some minutes.
bench-sip: $(VENV)/.test $(VENV)/.peers
	$(BIN)/python benchmarks/sip_stack.py $(ARGS)

# What a call's sound costs at 100 calls, how evenly it is sent and how well it is heard, beside baresip; some minutes.
bench-media: $(VENV)/.test $(VENV)/.peers
	$(BIN)/python benchmarks/media_load.py $(ARGS)

# How soon it rings after a press, what calls through the node cost, a thousand extensions that refresh; some minutes.
bench-calls: $(VENV)/.test $(VENV)/.peers
	$(BIN)/python benchmarks/calls.py $(ARGS)

# Calls through every pair of routers, with Chromium and baresip behind the other one; some twenty minutes. Root.
bench-nat: $(VENV)/.test $(VENV)/.peers
	$(BIN)/python benchmarks/nat_matrix.py $(ARGS)

# Echo, noise and processor time of the sound pipeline beside Speex, WebRTC and RNNoise; some minutes.
bench-dsp: $(VENV)/.bench-dsp
	$(BIN)/python benchmarks/dsp.py $(ARGS)

# Records the captures in pcaps/ anew, with real peers.
captures: $(VENV)/.test $(VENV)/.peers
	$(BIN)/python -m tests.interop.record_captures

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache htmlcov .coverage

# A venv needs ensurepip, which Debian keeps in a package of its own.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, this is $$($(PYTHON) -V); say make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ]; then apt-get update -q && apt-get install -y -q python3-venv; \
		else echo "Python's venv is missing; run: sudo apt-get install python3-venv"; exit 1; fi; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable . --group test --group lint --group types
	@$(BIN)/pip install --quiet --disable-pip-version-check --group rating \
		|| echo "pesq cannot be built here (a C compiler and Python's headers are needed): tests that rate speech will skip."
	@touch $@ $(VENV)/.run

$(VENV)/.peers: Makefile | $(VENV)/bin/python
	@$(call install_debian,$(DEBIAN_TEST_PACKAGES),tests with these real peers will skip)
	@touch $@

$(VENV)/.bench-dsp: Makefile pyproject.toml $(VENV)/.test
	@$(call install_debian,$(DEBIAN_DSP_PACKAGES),the benchmark leaves these out)
	$(BIN)/pip install --quiet --disable-pip-version-check --group bench --group rating
	@touch $@
