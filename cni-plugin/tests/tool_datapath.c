/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A datapath without podwalld, for the end-to-end tests of the plugin.
 * In: a pin directory and a word. Out: the datapath made, changed, or shown as JSON on standard
 * output.
 *
 *   tool_datapath make PIN_DIR [REGIONS]              maps and programs, pinned
 *   tool_datapath dump PIN_DIR                        every endpoint row in use, and the regions in
 * use tool_datapath enforcement PIN_DIR enforce|audit   the node switch tool_datapath active
 * PIN_DIR SLOT                 as podwalld would: state ACTIVE, subject 0 tool_datapath hook
 * PIN_DIR SLOT IFINDEX [sandbox] what is attached: none, clsact, tcx or partial tool_datapath
 * destroy PIN_DIR
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "loader/attach.h"
#include "loader/loader.h"

static void print_ip(const char *before, const struct fw_ip *ip)
{
	char text[FW_IP_TEXT];

	if (!fw_ip_is_zero(ip))
		(void)printf("%s\"%s\"", before, fw_ip_format(ip, text));
}

static void print_ips(const struct fw_endpoint *row)
{
	const char *before = "";
	struct fw_ip ip = fw_ip_from4(row->ip4_be);

	print_ip(before, &ip);
	before = row->ip4_be ? "," : "";
	for (int i = 0; i < row->ip4_more; i++) {
		ip = fw_ip_from4(row->ip4_extra_be[i]);
		print_ip(before, &ip);
	}
	memcpy(ip.b, row->ip6, sizeof(ip.b));
	print_ip(before, &ip);
	for (int i = 0; i < row->ip6_more; i++) {
		memcpy(ip.b, row->ip6_extra[i], sizeof(ip.b));
		print_ip(",", &ip);
	}
}

static void print_row(uint32_t slot, const struct fw_endpoint *row)
{
	static const char *const states[] = {"free", "claimed", "isolated", "active", "locked"};
	struct fw_ip link_local;
	char text[FW_IP_TEXT];

	memcpy(link_local.b, row->ip6_ll, sizeof(link_local.b));
	(void)printf("{\"slot\":%u,\"ifindex\":%u,\"state\":\"%s\",\"inSandbox\":%s,\"region\":%u,",
		     slot, row->ifindex, row->state <= FW_EP_LOCKED ? states[row->state] : "?",
		     row->flags & FW_EP_IN_SANDBOX ? "true" : "false", row->region);
	(void)printf("\"owner\":\"%016llx\",\"generation\":%u,\"epoch\":%u,",
		     (unsigned long long)row->owner, row->generation, row->epoch);
	(void)printf("\"mac\":\"%02x:%02x:%02x:%02x:%02x:%02x\",\"linkLocal\":\"%s\",\"ips\":[",
		     row->mac[0], row->mac[1], row->mac[2], row->mac[3], row->mac[4], row->mac[5],
		     fw_ip_format(&link_local, text));
	print_ips(row);
	(void)printf("]}");
}

static int dump(struct fw_datapath *datapath)
{
	const char *before = "";
	uint32_t regions = 0;

	(void)printf("{\"endpoints\":[");
	for (uint32_t slot = 0; slot < FW_ENDPOINT_SLOTS; slot++) {
		const struct fw_endpoint *row = fw_datapath_endpoint(datapath, slot);
		if (row->state == FW_EP_FREE)
			continue;
		(void)printf("%s", before);
		print_row(slot, row);
		before = ",";
	}
	for (uint32_t i = 0; i < fw_datapath_capacity(datapath, FW_MAP_REGIONS); i++)
		regions += fw_datapath_region(datapath, i)->owner != 0;
	(void)printf("],\"regions\":%u,\"audit\":%s}\n", regions,
		     fw_datapath_node(datapath)->enforcement == FW_AUDIT ? "true" : "false");
	return 0;
}

static int show_hook(struct fw_datapath *datapath, int argc, char **argv, struct fw_err *err)
{
	static const char *const kinds[] = {"none", "clsact", "tcx", "partial"};
	enum fw_hook_kind kind;

	if (argc < 5)
		return fw_err_set(err, -EINVAL, "hook PIN_DIR SLOT IFINDEX [sandbox]");
	struct fw_hook hook = {.slot = (uint32_t)strtoul(argv[3], NULL, 10),
			       .ifindex = (uint32_t)strtoul(argv[4], NULL, 10),
			       .in_sandbox = argc > 5};
	hook.constant = hook.slot >= FW_IFINDEX_SLOTS;
	int r = fw_hook_query(datapath, &hook, &kind, err);
	if (!r)
		(void)printf("%s\n", kinds[kind]);
	return r;
}

static int change(struct fw_datapath *datapath, int argc, char **argv, struct fw_err *err)
{
	if (!strcmp(argv[1], "dump"))
		return dump(datapath);
	if (!strcmp(argv[1], "hook"))
		return show_hook(datapath, argc, argv, err);
	if (argc < 4)
		return fw_err_set(err, -EINVAL, "%s: one more argument", argv[1]);
	if (!strcmp(argv[1], "enforcement")) {
		fw_datapath_node(datapath)->enforcement =
			strcmp(argv[3], "audit") ? FW_ENFORCE : FW_AUDIT;
		return 0;
	}
	struct fw_endpoint *row =
		fw_datapath_endpoint(datapath, (uint32_t)strtoul(argv[3], NULL, 10));
	if (strcmp(argv[1], "active") != 0 || !row)
		return fw_err_set(err, -EINVAL, "%s: no such command or slot", argv[1]);
	fw_endpoint_publish(row, FW_EP_ACTIVE);
	return 0;
}

static int run(int argc, char **argv, struct fw_err *err)
{
	struct fw_sizes sizes = {.regions = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 128,
				 .region_slots = 256,
				 .cells = 1024,
				 .ranges = 1024,
				 .addresses = 1024,
				 .prefixes = 256,
				 .services = 256,
				 .events_bytes = 1u << 20};
	struct fw_datapath *datapath = NULL;
	bool make = !strcmp(argv[1], "make");

	if (!strcmp(argv[1], "destroy"))
		return fw_datapath_destroy(argv[2], err);
	int r = make ? fw_datapath_make(argv[2], &sizes, &datapath, err)
		     : fw_datapath_open(argv[2], &datapath, err);
	if (!r)
		r = make ? fw_datapath_load_programs(datapath, err)
			 : change(datapath, argc, argv, err);
	fw_datapath_close(&datapath);
	return r;
}

int main(int argc, char **argv)
{
	struct fw_err err = {""};

	if (argc < 3 || run(argc, argv, &err) < 0) {
		(void)fprintf(stderr, "tool_datapath: %s\n",
			      argc < 3 ? "COMMAND PIN_DIR ..." : err.text);
		return 1;
	}
	return 0;
}
