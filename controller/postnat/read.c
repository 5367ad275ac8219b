// SPDX-License-Identifier: Apache-2.0
/*
 * The table as the kernel has it. In: dumps. Out: elements; whether each chain and rule of ours is
 * there, and nothing else in them; whether some flowtable takes packets past every chain.
 */
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "postnat/inside.h"

struct reading {
	struct fw_postnat_rows *rows;
	size_t cap;
	uint8_t set;
	int error;
};

static int keep_element(struct nftnl_set_elem *from, void *context)
{
	struct reading *reading = context;
	struct fw_postnat_rows *rows = reading->rows;
	struct fw_postnat_element e = {.set = reading->set};
	uint32_t size = 0;
	const void *key = nftnl_set_elem_get(from, NFTNL_SET_ELEM_KEY, &size);

	if (!key || size != fw_postnat_key_size(reading->set))
		return 0; /* not one that we made: gone with the next change */
	memcpy(e.key, key, size);
	if (rows->count == reading->cap) {
		size_t cap = reading->cap ? 2 * reading->cap : 256;
		struct fw_postnat_element *grown = realloc(rows->items, cap * sizeof(*grown));

		if (!grown) {
			reading->error = -ENOMEM;
			return 0;
		}
		rows->items = grown;
		reading->cap = cap;
	}
	rows->items[rows->count++] = e;
	return 0;
}

static int see_elements(const struct nlmsghdr *message, void *context)
{
	struct reading *reading = context;
	struct nftnl_set *set = nftnl_set_alloc();

	if (!set)
		reading->error = -ENOMEM;
	else if (nftnl_set_elems_nlmsg_parse(message, set) == 0)
		(void)nftnl_set_elem_foreach(set, keep_element, reading);
	if (set)
		nftnl_set_free(set);
	return MNL_CB_OK;
}

static void ask_elements(struct nlmsghdr *message, const void *what)
{
	const uint8_t *set = what;

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, FW_POSTNAT_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, fw_postnat_set_names[*set]);
}

int fw_postnat_read(struct fw_nft *nft, struct fw_postnat_rows *ret_rows, struct fw_err *err)
{
	_cleanup_(fw_postnat_rows_done) struct fw_postnat_rows rows = {0};
	struct reading reading = {.rows = &rows};
	int r = 0;

	for (; r == 0 && reading.set < FW_POSTNAT_SETS; reading.set++) {
		r = fw_nft_ask(nft, NFT_MSG_GETSETELEM, 0, NFPROTO_INET, ask_elements, &reading.set,
			       see_elements, &reading);
		if (r == -ENOENT)
			r = 0;
		if (r == 0)
			r = reading.error;
	}
	if (r < 0)
		return fw_err_errno(err, r, "reading the sets of the chain after DNAT");
	fw_postnat_sort(&rows);
	*ret_rows = rows;
	rows = (struct fw_postnat_rows){0};
	return 0;
}

struct check {
	uint32_t chains, hooks, rules, marks, others;
	bool seen[FW_POSTNAT_RULES];
};

static bool is_ours(const char *table)
{
	return table && !strcmp(table, FW_POSTNAT_TABLE);
}

static int see_chain(const struct nlmsghdr *message, void *context)
{
	struct check *check = context;
	struct nftnl_chain *chain = nftnl_chain_alloc();

	if (chain && nftnl_chain_nlmsg_parse(message, chain) == 0 &&
	    is_ours(nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE))) {
		check->chains++;
		check->hooks += nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM);
	}
	if (chain)
		nftnl_chain_free(chain);
	return MNL_CB_OK;
}

static void look_at_rule(struct check *check, const struct nftnl_rule *rule)
{
	uint8_t mark[32];
	uint32_t size = 0;
	const void *data = nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &size);

	check->rules++;
	for (uint32_t i = 0; data && i < FW_POSTNAT_RULES; i++) {
		if (size != fw_postnat_rule_mark(i, mark) || memcmp(data, mark, size) != 0)
			continue;
		check->marks += !check->seen[i];
		check->seen[i] = true;
	}
}

static int see_rule(const struct nlmsghdr *message, void *context)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();

	if (rule && nftnl_rule_nlmsg_parse(message, rule) == 0 &&
	    is_ours(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE)))
		look_at_rule(context, rule);
	if (rule)
		nftnl_rule_free(rule);
	return MNL_CB_OK;
}

static int see_other(const struct nlmsghdr *message, void *context)
{
	struct check *check = context;

	(void)message;
	check->others++;
	return MNL_CB_OK;
}

static void ask_table(struct nlmsghdr *message, const void *what)
{
	(void)what;
	mnl_attr_put_strz(message, NFTA_RULE_TABLE, FW_POSTNAT_TABLE);
}

int fw_postnat_check(struct fw_nft *nft, struct fw_err *err)
{
	struct check check = {0};
	int r = fw_nft_ask(nft, NFT_MSG_GETCHAIN, 0, NFPROTO_INET, NULL, NULL, see_chain, &check);

	if (r == 0)
		r = fw_nft_ask(nft, NFT_MSG_GETRULE, 0, NFPROTO_INET, ask_table, NULL, see_rule,
			       &check);
	if (r == 0)
		r = fw_nft_ask(nft, NFT_MSG_GETFLOWTABLE, 0, NFPROTO_UNSPEC, NULL, NULL, see_other,
			       &check);
	if (r < 0)
		return fw_err_errno(err, r, "reading the chain after DNAT back");
	if (check.chains != FW_POSTNAT_CHAINS || check.hooks != 2 ||
	    check.rules != FW_POSTNAT_RULES || check.marks != FW_POSTNAT_RULES)
		return fw_err_set(err, -ESTALE,
				  "the chain after DNAT is not as it was made: %u chains, %u "
				  "hooks, %u rules, %u of them ours",
				  check.chains, check.hooks, check.rules, check.marks);
	if (check.others)
		return fw_err_set(err, -EBUSY,
				  "%u flowtable%s past the chain after DNAT (nft list flowtables)",
				  check.others, check.others == 1 ? " goes" : "s go");
	return 0;
}
