# make check    what every commit must pass
# make test     every test in its short form
# make soak     every test in its long form, with the official examples, and each fuzz target for FUZZTIME
# make bench    the benchmarks
# make fuzz     each fuzz target for FUZZTIME

GO          ?= go
STATICCHECK ?= $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
CACHE       ?= .cache
FUZZTIME    ?= 2m
BENCHTIME   ?= 1s
EXAMPLES     = hl7.fhir.r4.examples-4.0.1.tgz

# Packages with goroutines of their own, in the short form of their tests.
RACE = ./storage/... ./server/... ./connect ./auth/...

.PHONY: check fmt vet staticcheck layers race test soak bench fuzz examples

check: fmt vet staticcheck layers race

fmt:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted with gofmt:"; echo "$$unformatted"; exit 1; }

vet:
	$(GO) vet ./...

staticcheck:
	$(STATICCHECK) ./...

layers:
	$(GO) test -count=1 .

race:
	$(GO) test -race -short -timeout 15m $(RACE)
	$(GO) test -race -run 'TestOrder|TestPatience|TestBounded' ./cmd/hob

test:
	$(GO) test ./...

soak: examples
	HOB_SOAK=1 HOB_REQUIRE_EXAMPLES=1 HOB_R4_EXAMPLES=$(abspath $(CACHE)/$(EXAMPLES)) $(GO) test -count=1 -timeout 6h ./...
	$(MAKE) fuzz

bench:
	$(GO) test -run '^$$' -bench . -benchtime $(BENCHTIME) -benchmem ./...

# The go command fuzzes one target at a time.
fuzz:
	@set -e; for file in $$(grep -rl --include='*_test.go' '^func Fuzz' .); do \
	  for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
	    echo "fuzz $$target in $$(dirname $$file)"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$(dirname $$file); \
	  done; \
	done

# The official examples of FHIR R4, 16 MB, as npm packs them. They are not part of the repository.
examples: $(CACHE)/$(EXAMPLES)

$(CACHE)/$(EXAMPLES):
	mkdir -p $(CACHE)
	cd $(CACHE) && npm pack --silent hl7.fhir.r4.examples@4.0.1
