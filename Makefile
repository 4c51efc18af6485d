# What this project is built and checked with. It needs Go and make; the tests' QEMUs come from
# Debian's packages (internal/qemutest says how to use others).

GO ?= go

# All packages of the module. ./... leaves out testdata/schema, which qapigen embeds; the packages that
# those of ./... import have it.
PACKAGES = $(shell $(GO) list -deps -f '{{with .Module}}{{if .Main}}{{$$.ImportPath}}{{end}}{{end}}' ./...)

# Tests with a guest mostly wait for it, so several of them run on each CPU.
PARALLEL = -parallel=$$((3 * $$(getconf _NPROCESSORS_ONLN)))

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: test
test: ## run all tests, on QEMU 5.2 to 11.1, and print a summary; slow tests, such as those with a guest, on 11.1 only
	@$(GO) run ./internal/testsummary $(PARALLEL) -count=1 -timeout=20m $(PACKAGES)

.PHONY: test-machines
test-machines: ## test machines of aarch64, ppc64, riscv64 and s390x, and microvm; download 300 MB once
	@QMPKIT_MATRIX=machines $(GO) run ./internal/testsummary -run='^TestMachine' \
		-count=1 -p=1 -timeout=60m ./internal/qemutest ./qmp/generated/qemu ./gen/qapigen ./hotplug

.PHONY: test-libvirt
test-libvirt: ## test machines of libvirt 9.0 and 11.3, as root; download 100 MB once
	@QMPKIT_MATRIX=libvirt $(GO) run ./internal/testsummary -run='Libvirt|^TestDaemon' \
		-count=1 -p=1 -timeout=60m ./internal/libvirttest ./qmp/qmplibvirt ./gen/qapigen ./cmd/qmpsh ./examples/fleet ./internal/bench

.PHONY: test-qemu
test-qemu: test-machines test-libvirt ## test hotplug, storage, migration, starts, the guest agent and others on QEMU 5.2 to 11.1, pc and q35; write the tables of docs/operations.md
	@QMPKIT_MATRIX=all $(GO) run ./internal/testsummary -table docs/operations.md \
		$(PARALLEL) -count=1 -timeout=90m ./hotplug ./job ./block ./migration ./launch ./guestagent ./qom ./machine

BROWSER ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
PICTURES ?= .cache/page

.PHONY: test-page
test-page: ## test the page of qapigen page in BROWSER=chromium; write pictures to PICTURES=.cache/page
	@test -n "$(BROWSER)" || { echo "no Chromium on this machine: apt-get install chromium fonts-dejavu-core, or set BROWSER" >&2; exit 1; }
	@mkdir -p "$(PICTURES)"
	@QMPKIT_BROWSER="$(BROWSER)" QMPKIT_PICTURES="$(abspath $(PICTURES))" $(GO) test -count=1 -timeout=5m -v -run Browser ./internal/page

.PHONY: race
race: ## run the tests of everything that starts goroutines with the race detector, on QEMU 10.0
	@QMPKIT_MATRIX=one $(GO) run ./internal/testsummary $(PARALLEL) -count=1 -timeout=20m -race \
		./internal/wait ./internal/fdconn ./internal/talk ./internal/operate ./internal/address ./qmp/... ./hotplug ./job ./block ./migration ./launch ./guestagent ./qom ./machine ./internal/page ./gen/qapigen ./cmd/... ./examples/... ./internal/bench ./internal/qemutest

.PHONY: demo
demo: generate ## generate the bindings, then hot-add a disk with them
	@$(GO) run ./examples/demo

.PHONY: generate
generate: ## generate the bindings from the schema in testdata/schema
	@$(GO) generate ./...

.PHONY: update
update: ## update to another QEMU: QEMU_SRC=DIR (its source), CAPTURED=FILE (an answer; perhaps VERSION) or QMP=unix:SOCK (its monitor)
	@$(GO) run ./internal/update $(if $(QEMU_SRC),-source "$(QEMU_SRC)") \
		$(if $(VERSION),-qemu-version "$(VERSION)") $(if $(QMP),-server "$(QMP)") \
		$(if $(CAPTURED),-captured "$(CAPTURED)")

.PHONY: facts
facts: ## write qapi/facts/data anew from all sources: which QEMU added and removed each thing
	@$(GO) build -o .cache/qapigen ./gen/qapigen
	@main() { case $$1 in qemu) echo qapi;; storage) echo storage-daemon/qapi;; guest) echo qga;; esac; }; \
	sources=$$(for version in 5.2 7.2 10.0; do scripts/get-source.sh $$version; done) && \
	for server in qemu storage guest; do \
		main=$$(main $$server)/qapi-schema.json; \
		.cache/qapigen facts -out qapi/facts/data/$$server.facts $$(for dir in $$sources testdata/schema/10.2; do echo $$dir/$$main; done) \
			$$(ls testdata/schema/captured/11.1/$$server.json 2>/dev/null) || exit 1; \
	done

# The words behind bench are names of measurements.
ifeq ($(firstword $(MAKECMDGOALS)),bench)
NAMES := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
.PHONY: $(NAMES)
$(foreach name,$(NAMES),$(eval $(name):;@:))
endif

.PHONY: bench
bench: $(if $(NAMES),,benchmarks) ## run the benchmarks, and measure generating, building, linking and the client; make bench client measures one
	@QEMU_SRC="$${QEMU_SRC:-$$(scripts/get-source.sh 10.0)}" $(GO) run ./internal/bench $(NAMES)

BENCHTIME ?= 1s

.PHONY: benchmarks
benchmarks: ## run the benchmarks; with BENCHTIME=1x, only check that they run
	@$(GO) test -run='^$$' -bench=. -benchmem -benchtime=$(BENCHTIME) \
		$$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n 1 dirname | sort -u)

FUZZTIME ?= 60s

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME=60s; inputs that fail go to testdata/fuzz
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed 's|/[^/]*:func | |' | sort | { failed=; \
		while read -r folder target; do \
			echo "$$folder $$target"; \
			$(GO) test -run='^$$' -fuzz="^$$target$$" -fuzztime=$(FUZZTIME) -fuzzminimizetime=20x "$$folder" </dev/null || failed="$$failed $$folder:$$target"; \
		done; \
		test -z "$$failed" || { echo "failed:$$failed"; exit 1; }; }

.PHONY: conformance
conformance: ## compare the verdicts of qapi on the test suite of QEMU_SRC=DIR with QEMU's own
	@$(GO) run ./internal/conformance "$(or $(QEMU_SRC),$(error QEMU_SRC is not set: it names a QEMU source tree, or what scripts/get-source.sh prints))"

.PHONY: mutants
mutants: ## compare the verdicts of qapi and QEMU's front end (QEMU_SRC=DIR) on MUTANTS=3000 schemas with one edit each
	@$(GO) run ./internal/conformance -mutants $(or $(MUTANTS),3000) "$(or $(QEMU_SRC),$(error QEMU_SRC is not set: it names a QEMU source tree, or what scripts/get-source.sh prints))"

.PHONY: lint
lint: ## check format, go vet, staticcheck, go.mod and the rules of the architecture
	@unformatted=$$(git ls-files -z '*.go' | xargs -0 gofmt -l); test -z "$$unformatted" || { echo "not gofmt'ed:"; echo "$$unformatted"; exit 1; }
	@$(GO) mod tidy -diff
	@$(GO) vet $(PACKAGES)
	@$(GO) tool staticcheck $(PACKAGES)
	@$(GO) test ./internal/archtest

.PHONY: vuln
vuln: ## check for known vulnerabilities; report if the database cannot be reached
	@scripts/vuln.sh $(PACKAGES)

.PHONY: cover
cover: ## print the coverage of each package by all tests, and write .cache/cover.html for each line
	@mkdir -p .cache
	@$(GO) test -coverpkg=./... -coverprofile=.cache/cover.out $(PACKAGES) >.cache/cover.log || { cat .cache/cover.log; exit 1; }
	@$(GO) tool cover -html=.cache/cover.out -o .cache/cover.html
	@awk -f scripts/cover.awk .cache/cover.out | sort

.PHONY: ci
ci: ## check everything that a change must pass
	@.ci/run
