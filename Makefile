# make demo   the main job: train and measure a small model on this machine
# make test   everything that must hold (CI runs exactly this)
# make test-kill   a tiny training, killed at twenty random points and on full disks (half an hour)
# make test-ray   a real Ray cluster of two nodes: its jobs, its probe, a tiny training against one process and torchrun, its head killed, a sweep, a corpus in parts, what a cluster may lack (minutes)
# make test-ray-kill   the same, with workers, nodes and the client killed at twenty random points, workers that outlive their head, and none that comes back (an hour)
# make bench  benchmarks
# make simulate   how often the intervals hold the truth, in all sizes (minutes)
# make fuzz   every fuzz target, FUZZTIME each (60s)
# make test-ollama   a package in an Ollama that is built for it (minutes; needs a C++ compiler)
# make review-load   a review with 50 reviewers at once: the time from a vote to its answer
# make review-kill   the server of a review killed twenty times, every acknowledged vote looked for
# make lint   what a reviewer would say first
# make changelog   CHANGELOG.md of the files in changes
# make dist   archives of a release for every platform, with checksums and bills of materials
# make a11y   every page of the documentation, and those that commands write, by axe (needs Chromium and npm)
# make screenshots DEMO=FOLDER   the pictures of pages in docs; FOLDER is where a demo was run (needs Chromium)
# make diagrams   the pictures of the diagrams in docs/fine-tuning (needs Chromium and node)

GO  ?= go
BIN := bin/bbjtune
VERSION := $(shell git describe --always --dirty 2>/dev/null)
LDFLAGS := -s -w -X bbjtune/internal/cli.version=$(VERSION)

PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: build demo test test-go test-kill test-ray test-ray-kill test-cross test-worker test-ollama bench simulate fuzz review-load review-kill lint dist a11y screenshots diagrams changelog

build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags "$(LDFLAGS)" -o $(BIN) ./cmd/bbjtune

demo: build
	$(BIN) demo

# CI also builds and vets every platform; at a desk make test-cross does it.
test: build test-worker test-go $(if $(CI),test-cross)
	@echo "all tests passed"

# The Go tests, with the race detector; a tiny model is really trained, killed,
# resumed, packed, served and evaluated.
test-go:
	test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet ./...
	BBJTUNE_REQUIRE=1 $(GO) test -race -timeout 30m ./...

# Each point is a training that is killed and resumed, against one that nothing disturbed.
test-kill: build
	BBJTUNE_REQUIRE=1 BBJTUNE_KILLS=20 $(GO) test -timeout 90m -v -run 'TestRealKills|TestRealFullDisk|TestRealTorchrun|TestRealSweepStopsEarly' ./internal/cli

# Both need Linux; the nodes are in network namespaces of their own where that is allowed.
test-ray: build
	BBJTUNE_RAY=1 $(GO) test -count 1 -timeout 30m -v -p 1 -run 'TestCluster|Real' ./internal/ray/...
	BBJTUNE_RAY=1 $(GO) test -count 1 -timeout 60m -v -run 'TestRealRay(Fails|Flat|Sweep|Corpus|Writer|Head|Faults|FaultsOfVersions)?$$' ./internal/cli

test-ray-kill: build
	BBJTUNE_RAY=1 BBJTUNE_KILLS=20 $(GO) test -count 1 -timeout 120m -v -run 'TestRealRay(Kills|Orphan|WithoutHead)$$' ./internal/cli

# Every platform that BBj shops run: vet reads the code of each, tests included.
test-cross:
	for p in $(PLATFORMS); do \
	  echo "vet $$p"; \
	  CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) vet ./... || exit 1; \
	  CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./cmd/bbjtune || exit 1; \
	done

# The training worker, in the environment that the program makes.
test-worker: build
	tools="$$(dirname "$$($(BIN) env --tools)")" && cd worker && "$$tools/ruff" check . ../bench ../contrib ../internal/tokenizer && "$$tools/ruff" format --check . ../bench ../contrib ../internal/tokenizer && "$$tools/mypy" *.py ../bench/*.py ../contrib/*.py
	python="$$($(BIN) env)" && cd worker && PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(CURDIR)/bin/bytecode "$$python" -m unittest

# Ollama of the version in go.mod. Its module lacks headers of other projects, which
# a Python package carries along. What is built stays in OLLAMA_BUILD.
OLLAMA_BUILD ?= $(HOME)/.cache/bbjtune/ollama
HEADERS := llama_cpp_python-0.3.16

test-ollama: build
	mkdir -p $(OLLAMA_BUILD)
	test -d $(OLLAMA_BUILD)/$(HEADERS) || { cd $(OLLAMA_BUILD) && python3 -m pip download --no-deps --no-binary :all: llama-cpp-python==0.3.16 && tar xzf $(HEADERS).tar.gz; }
	test -x $(OLLAMA_BUILD)/ollama || { \
	  rm -rf $(OLLAMA_BUILD)/src && cp -r "$$($(GO) list -m -f '{{.Dir}}' github.com/ollama/ollama)" $(OLLAMA_BUILD)/src && chmod -R u+w $(OLLAMA_BUILD)/src && \
	  cd $(OLLAMA_BUILD)/src && CGO_ENABLED=1 CGO_CPPFLAGS="-I$(OLLAMA_BUILD)/$(HEADERS)/vendor/llama.cpp/vendor" $(GO) build -trimpath -o $(OLLAMA_BUILD)/ollama .; }
	BBJTUNE_REQUIRE=1 BBJTUNE_OLLAMA=$(OLLAMA_BUILD)/ollama $(GO) test -count 1 -timeout 30m -run TestRealOllama -v ./internal/cli

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./bbj/... ./internal/eval

simulate:
	BBJTUNE_SIMULATE=1 $(GO) test -count=1 -timeout 30m -run Coverage -v ./internal/stats

review-load:
	$(GO) test -run '^$$' -bench FiftyReviewers -benchtime 1x ./internal/review/serve

review-kill:
	BBJTUNE_KILLS=20 $(GO) test -count 1 -v -run KilledServer ./internal/review/serve

fuzz:
	for dir in $$(grep -rl '^func Fuzz' --include=*_test.go . | xargs -n1 dirname | sort -u); do \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z]*' $$dir/*_test.go | sed 's/func //'); do \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(or $(FUZZTIME),60s) $$dir || exit 1; \
	  done; \
	done

lint: test-worker
	test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	$(GO) run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

# The same commit makes the same bytes: dates are those of the commit.
dist: build
	$(GO) run ./cmd/dist -version "$(VERSION)" -epoch "$$(git log -1 --format=%ct)" -ldflags "$(LDFLAGS)" -program $(BIN) $(PLATFORMS)

# The test holds what was fetched against its hash.
AXE := 4.14.1

a11y:
	mkdir -p bin/axe
	cd bin/axe && { test -f axe-core-$(AXE).tgz || npm pack --silent axe-core@$(AXE); } && tar xzf axe-core-$(AXE).tgz
	BBJTUNE_AXE=$(CURDIR)/bin/axe/package/axe.min.js $(GO) test -count 1 -timeout 20m -v -run 'ByAxe$$' ./internal/cli

# Of real pages, at fixed sizes; letters look as the fonts of the machine do.
DEMO ?= .

screenshots:
	BBJTUNE_DEMO="$(abspath $(DEMO))" $(GO) test -count 1 -timeout 10m -v -run TestScreenshots ./internal/cli

diagrams:
	PUPPETEER_SKIP_DOWNLOAD=1 npx --yes --package @mermaid-js/mermaid-cli@11.17.0 -- node docs/diagrams.mjs

changelog:
	$(GO) test . -run TestChangelogIsFresh -update
