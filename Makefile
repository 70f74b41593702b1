# SPDX-License-Identifier: GPL-2.0
# The whole interface: `make help`. Kbuild reads ./Kbuild, not this file.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := modules

# Empty: release for building and running, debug for testing.
FLAVOUR ?=
run-flavour := $(or $(FLAVOUR),release)
test-flavour := $(or $(FLAVOUR),debug)

# The scripts read these from the environment.
ifneq ($(strip $(KDIR)),)
export KDIR
endif
ifneq ($(strip $(KSRC)),)
export KSRC
endif
# A "$" in CMD is for the guest's shell.
override CMD := $(value CMD)
PREFIX ?= /usr/local
ifneq ($(strip $(DESTDIR)),)
INSTALL_MOD_PATH ?= $(DESTDIR)
endif
export PREFIX DESTDIR
export PMEM CPUS MEM TIMEOUT T CMD V FS CASES DRIVER REPEAT

.PHONY: help
help:
	@echo 'Building'
	@echo '  make                  the modules, into build/release/'
	@echo '  make kernel           the test kernel (the others build it when needed)'
	@echo '  make tools            mkfs.rdaxfs, fsck.rdaxfs and rdaxctl, into build/tools/bin/'
	@echo '  make modules_install  install them for the kernel KDIR (INSTALL_MOD_PATH)'
	@echo '  make install          modules, tools and man pages (DESTDIR, PREFIX=/usr/local)'
	@echo '  make check            what is missing on this machine, and what to do'
	@echo '  make clean            remove build/'
	@echo 'Running'
	@echo '  make run              boot a VM; show rdaxfs, XFS and ext4 on rdax_pmem'
	@echo '  make shell            a root shell in such a VM'
	@echo '  make vm CMD="..."     one command in it; fails if the command fails'
	@echo 'Testing'
	@echo '  make test             every test on the debug kernel'
	@echo '  make test T=map,gup*  those whose names match; T=list shows the names'
	@echo '  make torture          everything at once on few files (RDAX_SECONDS=600 RDAX_SEED= CPUS=);'
	@echo '                        MINIMISE=1 with the seed of a failure: the least that fails'
	@echo '  make mutants          break the code in many places; a test must notice each (M=)'
	@echo '  make crash-trace      power cuts of the kernel'"'"'s own stores (RDAX_STATES=10 for more)'
	@echo '  make bench            instructions per operation: ext4, XFS and rdaxfs, ratios'
	@echo '  make scale            time and memory of many files (FILES=1000000 FS=rdaxfs)'
	@echo '  make lint             formatting, clippy, rustdoc, shellcheck, checkpatch'
	@echo '  make fmt              format the Rust sources'
	@echo '  make doc              rustdoc of the rdax crate'
	@echo 'Variables'
	@echo '  KDIR=DIR        a built kernel tree of your own (default: the test kernel)'
	@echo '  KSRC=DIR        source for the test kernel (default: Debian linux-source-7.3)'
	@echo '  FLAVOUR=        release, debug or kcsan (default: release; debug for test, lint)'
	@echo '  PMEM="..."      devices: memmap:1G nvdimm:1G[:FILE] virtio:1G[:FILE] reserve:256M disk:1G'
	@echo '  CPUS= MEM= TIMEOUT= TCG_THREADS=   of the VM (2, 2G or 3G, 600 s, single or multi)'
	@echo '  FS= CASES= DRIVER= REPEAT=   of bench: "ext4 xfs rdaxfs", "append* create",'
	@echo '                  rdax_pmem or nd_pmem, boots to compare (1)'
	@echo '  RDAX_ROUNDS= RDAX_SEED= ...   of tests, RDAX_TIMEOUT= for all: Documentation/testing.rst'
	@echo '  V=1             show the commands'
	@echo 'Kernels and tools are kept in $${RDAX_CACHE:-~/.cache/rdax}.'

.PHONY: all modules
all: modules
modules:
	@scripts/build-modules.sh $(run-flavour) >/dev/null
	@ls -1 build/$(run-flavour)/*.ko

.PHONY: tools tools_install
tools:
	@scripts/build-tools.sh
tools_install:
	@scripts/install-tools.sh

.PHONY: modules_install install
install: modules_install tools_install
modules_install: modules
	@scripts/build-modules.sh $(run-flavour) modules_install \
		$(if $(INSTALL_MOD_PATH),INSTALL_MOD_PATH=$(abspath $(INSTALL_MOD_PATH))) >/dev/null

.PHONY: kernel
kernel:
	@scripts/kernel.sh $(run-flavour)

.PHONY: run shell vm
run:
	@scripts/vm.sh $(run-flavour) --exec scripts/demo/run.sh
shell:
	@scripts/vm.sh $(run-flavour) --interactive
vm:
	@[ -n "$$CMD" ] || { echo 'usage: make vm CMD="command"' >&2; exit 2; }
	@scripts/vm.sh $(run-flavour) --exec "$$CMD"

.PHONY: test
test:
	@FLAVOUR=$(test-flavour) scripts/test.py

# Lasts RDAX_SECONDS; with MINIMISE=1 as long as it takes.
torture-seconds := $(or $(RDAX_SECONDS),600)
.PHONY: torture
torture: export RDAX_SECONDS := $(torture-seconds)
torture:
	@scripts/torture.sh $(test-flavour) $(if $(MINIMISE),--minimise)

.PHONY: mutants
mutants:
	@scripts/mutants.py

.PHONY: crash-trace
crash-trace:
	@T=crash-trace FLAVOUR=$(test-flavour) scripts/test.py

.PHONY: bench
bench:
	@settings=$$(scripts/build-modules.sh $(run-flavour)) && eval "$$settings" && \
		scripts/build-tools.sh >/dev/null && tools/bench/bench.py --kdir "$$KDIR" --build "$$RDAX_BUILD"

.PHONY: scale
scale:
	@$(MAKE) -s -C tools/testing/selftests/rdax OUTPUT=$(CURDIR)/build/$(run-flavour)/selftests
	@MEM=$${MEM:-6G} TIMEOUT=$${TIMEOUT:-3600} PMEM=$${PMEM:-memmap:2G} scripts/vm.sh $(run-flavour) \
		--env RDAX_SELFTESTS=$(CURDIR)/build/$(run-flavour)/selftests \
		--exec "tools/bench/scale.sh $(or $(FILES),1000000) $(FS)"

.PHONY: check lint fmt doc clean
check:
	@FLAVOUR=$(run-flavour) scripts/check.sh
lint:
	@FLAVOUR=$(test-flavour) scripts/lint.sh
fmt:
	@scripts/lint.sh --fmt
doc:
	@scripts/build-modules.sh $(run-flavour) >/dev/null
	@scripts/rustdoc.sh build/$(run-flavour)
clean:
	@rm -rf build
