/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the plugins before us in the chain said. In: prevResult. Out: the addresses that it gives
 * our interface, and the result that we hand on. Pure: what the kernel says about the interface is
 * iface.h's.
 */
#ifndef FW_CNI_CHAIN_H
#define FW_CNI_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/ip.h"
#include "netconf.h"

/* What struct fw_endpoint holds: the first of each family and the extras. More: error 101. */
#define FW_CHAIN_IP4_MAX 5
#define FW_CHAIN_IP6_MAX 3
#define FW_CHAIN_IPS_MAX (FW_CHAIN_IP4_MAX + FW_CHAIN_IP6_MAX)
/* Entries of prevResult.interfaces and .ips that are looked at; more: error 7. */
#define FW_CHAIN_ENTRIES_MAX 256

struct fw_chain_ips {
	struct fw_ip ip[FW_CHAIN_IPS_MAX]; /* in prevResult's order, without duplicates, link-local
					      ones left out */
	size_t count;
};

/*
 * The addresses of `ifname` in the sandbox: entries of ips that point at it, and those that point
 * at no interface. Returns 0 or a code with a text that names the field.
 */
int fw_chain_ips(const cJSON *prev, const char *ifname, struct fw_chain_ips *ret_ips,
		 struct fw_err *err);
/*
 * prevResult as it is, with the configuration's cniVersion (and ips[].version, which 0.x has
 * and 1.x has not). Changes `prev`. The caller frees *ret_text.
 */
int fw_chain_echo(cJSON *prev, enum fw_cni_version version, char **ret_text, struct fw_err *err);

#endif
