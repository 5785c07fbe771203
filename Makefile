# make demo   the main job: train and measure a small model on this machine
# make test   everything that must hold
# make bench  benchmarks
# make lint   what reviewers would say first

GO      ?= go
export GOFLAGS := -buildvcs=false $(filter-out -buildvcs=false,$(GOFLAGS))
VERSION := $(shell git describe --always --dirty 2>/dev/null)
BIN     := bin/bbjtune

.PHONY: demo test bench lint fuzz build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o $(BIN) ./cmd/bbjtune

demo: build
	$(BIN) demo

test:
	$(GO) run ./internal/citest

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./bbj/...

fuzz:
	for t in $$(grep -rl 'func Fuzz' --include=*_test.go . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -ho 'func Fuzz[A-Za-z]*' $$t/*_test.go | sed 's/func //'); do \
	    $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(FUZZTIME),60s) $$t || exit 1; \
	  done; \
	done

lint:
	test -z "$$(gofmt -l .)"
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@latest ./...
	$(GO) run golang.org/x/vuln/cmd/govulncheck@latest ./...
