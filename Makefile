# make demo   the main job: train and measure a small model on this machine
# make test   everything that must hold (CI runs exactly this)
# make bench  benchmarks
# make fuzz   every fuzz target, FUZZTIME each (60s)
# make review-load   a review with 50 reviewers at once: the time from a vote to its answer
# make review-kill   the server of a review killed twenty times, every acknowledged vote looked for
# make lint   what a reviewer would say first
# make diagrams   the pictures of the diagrams in docs/fine-tuning (needs Chromium and node)

GO  ?= go
BIN := bin/bbjtune
VERSION := $(shell git describe --always --dirty 2>/dev/null)
LDFLAGS := -s -w -X bbjtune/internal/cli.version=$(VERSION)

PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: build demo test test-go test-cross test-worker bench fuzz review-load review-kill lint diagrams

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

# Every platform that BBj shops run: vet reads the code of each, tests included.
test-cross:
	for p in $(PLATFORMS); do \
	  echo "vet $$p"; \
	  CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) vet ./... || exit 1; \
	  CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build -o /dev/null ./cmd/bbjtune || exit 1; \
	done

# The training worker, in the environment that the program makes.
test-worker: build
	tools="$$(dirname "$$($(BIN) env --tools)")" && cd worker && "$$tools/ruff" check . ../bench ../internal/tokenizer && "$$tools/ruff" format --check . ../bench ../internal/tokenizer && "$$tools/mypy" *.py ../bench/*.py
	python="$$($(BIN) env)" && cd worker && "$$python" -B -m unittest

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./bbj/... ./internal/eval

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

diagrams:
	PUPPETEER_SKIP_DOWNLOAD=1 npx --yes --package @mermaid-js/mermaid-cli@11.17.0 -- node docs/diagrams.mjs
