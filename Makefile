# SPDX-License-Identifier: Apache-2.0
#
# The whole build. Each folder is a library of its own; a folder sees only the headers of those before it
# (checked by `make lint`). Everything that is made stands under build/ (build-san/ with SAN=1).

VERSION := 0.1.0
BUILD := build$(if $(SAN),-san)
CC ?= cc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PREFIX ?= /usr
CNI_BIN ?= /opt/cni/bin

PKGS := libcjson libcurl libevent yaml-0.1 libmnl libnl-3.0 libnl-route-3.0 libnftnl smartcols libcap
WARN := -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Werror
ifdef SAN
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
else
SANFLAGS :=
endif
INC := -Idatapath -Idatapath/include -Icontroller -Icni-plugin -isystem $(BUILD)/gen $(patsubst -I%,-isystem %,$(shell pkg-config --cflags-only-I libnl-3.0 2>/dev/null))
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=gnu17 $(WARN) -D_GNU_SOURCE -DFW_VERSION='"$(VERSION)"' -fPIE -MD -MP $(INC) $(SANFLAGS) $(CFLAGS)
LIBS = $(shell pkg-config --libs $(PKGS)) -lbpf -lelf -lz -lpthread
# Blocks stay in source order: kernels before 6.3 refuse a loop whose head is entered by falling into it from below.
BPF_CFLAGS := -std=gnu17 -O2 -g -target bpf -mcpu=v3 -mllvm -disable-block-placement -Wall -Wextra -Wshadow -Werror -MD -MP $(INC) \
	-I/usr/include/$(shell $(CC) -print-multiarch 2>/dev/null) \
	$(if $(filter x86_64-%,$(shell $(CC) -dumpmachine)),-DFW_LOADS_IN_ORDER)

# folder -> library, in link order (users first)
LAYERS := controller/ctl controller/node controller/show controller/check controller/flow controller/apply controller/postnat controller/compile controller/kube controller/api controller/model \
	datapath/loader datapath/base
lib_of = $(BUILD)/lib/$(subst /,-,$(1)).a
objs_of = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)/*.c))
# one short line per step; V=1 shows the commands
Q := $(if $(V),,@)
say = @$(if $(V),true,printf '  %-5s %s\n' $(1) $(2))

ALL_LIBS := $(foreach layer,$(LAYERS),$(call lib_of,$(layer)))
GEN := $(BUILD)/gen/fw_tc.skel.h

PROGRAMS := $(if $(wildcard controller/main.c),$(BUILD)/podwalld) \
	$(if $(wildcard controller/fwctl/main.c),$(BUILD)/fwctl) \
	$(if $(wildcard cni-plugin/main.c),$(BUILD)/podwall-cni $(BUILD)/podwall-install)
TEST_DIRS := datapath/tests cni-plugin/tests controller/tests
TESTS := $(foreach dir,$(TEST_DIRS),$(patsubst $(dir)/%.c,$(BUILD)/tests/%,$(wildcard $(dir)/test_*.c)))
TOOLS := $(foreach dir,$(TEST_DIRS),$(patsubst $(dir)/%.c,$(BUILD)/tools/%,$(wildcard $(dir)/tool_*.c)))
FUZZERS := $(foreach dir,$(TEST_DIRS),$(foreach kind,fuzz fuzz-planted,\
	$(patsubst $(dir)/%.c,$(BUILD)/$(kind)/%,$(wildcard $(dir)/fuzz_*.c))))
TEST_BPF := $(patsubst datapath/tests/%.bpf.c,$(BUILD)/gen/%.skel.h,$(wildcard datapath/tests/*.bpf.c))

.PHONY: all help test demo demo-down bench test-api prove lint format install clean fuzz tests \
	cluster cluster-down cluster-image cluster-build cluster-install-podwall cluster-uninstall-podwall test-cluster bench-cluster test-conformance
.SECONDARY:
.DELETE_ON_ERROR:

all: $(PROGRAMS) ## build everything (warnings are errors; SAN=1 for sanitizers)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-26s %s\n", $$1, $$2 }' Makefile
	@echo "  variables: V=1 (show commands), SAN=1 (address and undefined-behaviour sanitizers), DESTDIR, PREFIX, CNI_BIN, KEEP=1 (demo)"

tests: all $(TESTS) $(TOOLS) $(FUZZERS) # everything that the suite runs

test: ## the everyday suite (root; under 15 minutes after the build)
	@.ci/install-deps test
	@$(MAKE) --no-print-directory tests
	@e2e/run $(BUILD)

demo: ## the main job without a cluster, in a minute (KEEP=1 leaves it up)
	@.ci/install-deps run
	@$(MAKE) --no-print-directory all
	@e2e/demo up $(BUILD)

demo-down: ## remove every trace of a demo that was left up
	@e2e/demo down $(BUILD)

bench: tests ## every figure beside its budget; fails when one is over
	@e2e/bench/run $(BUILD)

test-api: tests ## rows 60 to 69 with a fake API server, and with a real one from BUILD/cluster/bin (FW_CLUSTER_BIN=)
	@FW_BUILD=$(abspath $(BUILD)) e2e/api/faults
	@FW_BUILD=$(abspath $(BUILD)) e2e/api/rows

prove: tests ## the long proofs: oracle against compiler 10^7, compiler against datapath 10^8; goes on where it was interrupted
	@e2e/oracle/prove --long $(BUILD)

PROXY ?= nftables
CNI ?= ptp
NODES ?= 2
PODWALL ?= 1

cluster-build: # Kubernetes from Go modules, and Podwall
	@.ci/install-deps cluster
	@$(MAKE) --no-print-directory all
	@e2e/cluster/build $(BUILD)

cluster: cluster-build ## a real Kubernetes here (PROXY=nftables|iptables CNI=ptp|bridge NODES=2 PODWALL=1|0)
	@e2e/cluster/cluster up --build $(BUILD) --proxy $(PROXY) --cni $(CNI) --nodes $(NODES) --podwall $(PODWALL) $(if $(KEEP),--keep)

cluster-down: ## remove every trace of it
	@e2e/cluster/cluster down

cluster-image: ## import an image archive on every node (FILE=)
	@test -n "$(FILE)" || { echo "make cluster-image FILE=archive.tar"; exit 2; }
	@e2e/cluster/cluster image $(FILE)

cluster-install-podwall: all ## Podwall on the cluster, as charts/podwall says
	@e2e/cluster/cluster install-podwall

cluster-uninstall-podwall: ## and off it again
	@e2e/cluster/cluster uninstall-podwall

test-cluster: ## the tests on a real cluster: the one that is up, or one that comes and goes
	@.ci/install-deps cluster
	@$(MAKE) --no-print-directory all
	@e2e/cluster/run $(BUILD) --proxy $(PROXY) --cni $(CNI) --nodes $(NODES) --podwall $(PODWALL)

test-conformance: ## Kubernetes' own tests of NetworkPolicy on the cluster that is up (FOCUS=)
	@.ci/install-deps cluster
	@e2e/cluster/conformance $(BUILD) $(if $(FOCUS),'$(FOCUS)')

bench-cluster: cluster-build tests ## figures with a real API server at 10,000 pods, and of pods that start; fails when one is over
	@e2e/bench/run --cluster $(BUILD)

lint: ## layers, format, forbidden functions
	@.ci/lint

format: ## rewrite the C sources as .clang-format says
	@git ls-files '*.c' '*.h' | xargs clang-format -i

install: all ## install the programs (DESTDIR=, PREFIX=, CNI_BIN=)
	install -D -m 0755 $(BUILD)/podwalld $(DESTDIR)$(PREFIX)/sbin/podwalld
	install -D -m 0755 $(BUILD)/fwctl $(DESTDIR)$(PREFIX)/bin/fwctl
	ln -sf fwctl $(DESTDIR)$(PREFIX)/bin/kubectl-fw
	install -D -m 0755 $(BUILD)/podwall-cni $(DESTDIR)$(CNI_BIN)/podwall-cni
	install -D -m 0755 $(BUILD)/podwall-install $(DESTDIR)$(PREFIX)/sbin/podwall-install

clean: ## remove what was built
	rm -rf build build-san

# libraries
$(BUILD)/obj/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

define library
$(call lib_of,$(1)): $(call objs_of,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^
endef
$(foreach layer,$(LAYERS),$(eval $(call library,$(layer))))

# BPF programs, embedded by skeleton
$(BUILD)/bpf/fw_tc.bpf.o: datapath/bpf/fw_tc.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/bpf/%.bpf.o: datapath/tests/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(BUILD)/gen/%.skel.h: $(BUILD)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst -,_,$*) > $@

# programs
$(BUILD)/podwalld: $(BUILD)/obj/controller/main.o $(ALL_LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -pie $^ -o $@ $(LIBS)

$(BUILD)/fwctl: $(call objs_of,controller/fwctl) $(ALL_LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -pie $^ -o $@ $(LIBS)

# The plugin runs on any node: static. Debian has no static cJSON; it is built from Debian's source package. With SAN=1
# it is linked as all others: the address sanitizer has no static runtime.
PLUGIN_LIBS := $(call lib_of,datapath/loader) $(call lib_of,datapath/base)
ifdef SAN
$(BUILD)/podwall-cni: $(call objs_of,cni-plugin) $(PLUGIN_LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -pie $^ -o $@ -lcjson -lbpf -lelf -lz
else
$(BUILD)/podwall-cni: $(call objs_of,cni-plugin) $(PLUGIN_LIBS) $(BUILD)/cjson/libcjson.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -static $^ -o $@ -Wl,--start-group -lbpf $(shell pkg-config --static --libs libelf) -lz -Wl,--end-group
endif

# the plugin's control in e2e/bench/cni starts as the plugin does
$(BUILD)/tools/tool_round_trip: cni-plugin/tests/tool_round_trip.c
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(SAN),-pie,-static) -MF $@.d $< -o $@

INSTALL_PARTS := $(filter-out %/main.o,$(call objs_of,cni-plugin/install))
$(BUILD)/podwall-install: $(BUILD)/obj/cni-plugin/install/main.o $(INSTALL_PARTS) $(filter-out %/main.o,$(call objs_of,cni-plugin)) \
		$(PLUGIN_LIBS) $(if $(SAN),,$(BUILD)/cjson/libcjson.a)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(SAN),-pie,-static) $^ -o $@ $(if $(SAN),-lcjson -lbpf -lelf -lz,\
		-Wl,--start-group -lbpf $(shell pkg-config --static --libs libelf) -lz -Wl,--end-group)

$(BUILD)/cjson/libcjson.a:
	@rm -rf $(@D)
	@mkdir -p $(@D)
	$(call say,CC,cjson)
	$(Q)cd $(@D) && apt-get -qq source cjson >source.log 2>&1 || { cat source.log; exit 1; }
	$(Q)cd $(@D)/cjson-*/ && $(CC) -O2 -fPIE -c cJSON.c -o ../cJSON.o
	$(Q)ar rcs $@ $(@D)/cJSON.o

# libFuzzer targets are built from sources, instrumented; each a second time with its planted bug
FUZZED := $(wildcard datapath/base/*.c controller/model/*.c controller/api/*.c) controller/kube/split.c
FUZZ_CC = $(CLANG) $(filter-out -Werror -fPIE -W%,$(ALL_CFLAGS)) -O1 -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=undefined

# tests: cmocka programs, each prints TAP; tools: helpers of the end-to-end tests
define test_rules
$(BUILD)/tests/%: $(1)/%.c $(2) $$(ALL_LIBS) $$(TEST_BPF)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(ALL_CFLAGS) -pie -I$(1) -MF $$@.d $$(filter %.c %.o %.a,$$^) -o $$@ -lcmocka -lm $$(LIBS)

$(BUILD)/tools/%: $(1)/%.c $(2) $$(ALL_LIBS) $$(TEST_BPF)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(ALL_CFLAGS) -pie -I$(1) -MF $$@.d $$(filter %.c %.o %.a,$$^) -o $$@ -lcmocka -lm $$(LIBS)

$(BUILD)/fuzz/%: $(1)/%.c $(FUZZED) $(3) | $$(GEN)
	@mkdir -p $$(@D)
	$$(call say,FUZZ,$$@)
	$$(Q)$$(FUZZ_CC) -I$(1) -MF $$@.d $$(filter %.c,$$^) -o $$@ $$(LIBS)

$(BUILD)/fuzz-planted/%: $(1)/%.c $(FUZZED) $(3) | $$(GEN)
	@mkdir -p $$(@D)
	$$(call say,FUZZ,$$@)
	$$(Q)$$(FUZZ_CC) -DFW_PLANTED_BUG -I$(1) -MF $$@.d $$(filter %.c,$$^) -o $$@ $$(LIBS)
endef
PLUGIN_PARTS := $(filter-out %/main.o,$(call objs_of,cni-plugin))
$(eval $(call test_rules,datapath/tests,,))
PLUGIN_PURE := $(addprefix cni-plugin/,chain.c env.c json.c names.c netconf.c install/conflist.c)
$(eval $(call test_rules,cni-plugin/tests,$(PLUGIN_PARTS) $(INSTALL_PARTS),$(PLUGIN_PURE)))
$(eval $(call test_rules,controller/tests,,$(wildcard controller/ctl/request.c controller/node/wire.c controller/node/sandbox.c)))

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
