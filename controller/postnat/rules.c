// SPDX-License-Identifier: Apache-2.0
/*
 * The rules of the chains, as libnftnl expressions; chain.h has them as text. In: nothing. Out:
 * messages in a batch. A concatenation stands in registers side by side, four bytes each.
 */
#include <stdio.h> /* libnftnl/expr.h wants it */

#include <errno.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <stddef.h>
#include <string.h>

#include "postnat/inside.h"

#define MARK_VERSION "1" /* of the rules: another text, another number */
#define NO_DIRECTION (-1)

struct rule {
	struct nftnl_rule *rule;
	struct fw_nft_batch *batch;
};

static struct nftnl_expr *add(struct rule *rule, const char *name)
{
	struct nftnl_expr *expr = rule->rule ? nftnl_expr_alloc(name) : NULL;

	if (!expr)
		rule->batch->error = -ENOMEM;
	else
		nftnl_rule_add_expr(rule->rule, expr);
	return expr;
}

static void ct(struct rule *rule, uint32_t key, int direction, uint32_t reg)
{
	struct nftnl_expr *expr = add(rule, "ct");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, reg);
	if (direction != NO_DIRECTION)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, (uint8_t)direction);
}

static void meta(struct rule *rule, uint32_t key, uint32_t reg)
{
	struct nftnl_expr *expr = add(rule, "meta");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, reg);
}

static void payload(struct rule *rule, uint32_t base, size_t offset, uint32_t size, uint32_t reg)
{
	struct nftnl_expr *expr = add(rule, "payload");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, (uint32_t)offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, size);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

static void compare(struct rule *rule, uint32_t op, const void *value, uint32_t size)
{
	struct nftnl_expr *expr = add(rule, "cmp");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	(void)nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, value, size);
}

static void mask(struct rule *rule, uint32_t bits)
{
	struct nftnl_expr *expr = add(rule, "bitwise");
	const uint32_t zero = 0;

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, sizeof(bits));
	(void)nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, &bits, sizeof(bits));
	(void)nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof(zero));
}

static void look_up(struct rule *rule, uint8_t set)
{
	struct nftnl_expr *expr = add(rule, "lookup");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	(void)nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, fw_postnat_set_names[set]);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SET_ID, set + 1u);
}

static void verdict(struct rule *rule, int code, const char *chain)
{
	struct nftnl_expr *expr = add(rule, "immediate");

	if (!expr)
		return;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
	if (chain)
		(void)nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain);
}

static void count_and_drop(struct rule *rule)
{
	(void)add(rule, "counter");
	verdict(rule, NF_DROP, NULL);
}

static void only_family(struct rule *rule, bool four)
{
	uint8_t family = four ? NFPROTO_IPV4 : NFPROTO_IPV6;

	meta(rule, NFT_META_NFPROTO, NFT_REG_1);
	compare(rule, NFT_CMP_EQ, &family, sizeof(family));
}

/*
 * pod . other . protocol . port of the connection, whichever direction the packet has: `other` is
 * the service in the original tuple, the backend in that of the answers.
 */
static void connection(struct rule *rule, bool four, bool backend)
{
	uint32_t second = four ? NFT_REG32_01 : NFT_REG_2, third = four ? NFT_REG32_02 : NFT_REG_3;

	ct(rule, four ? NFT_CT_SRC_IP : NFT_CT_SRC_IP6, IP_CT_DIR_ORIGINAL, NFT_REG_1);
	if (backend)
		ct(rule, four ? NFT_CT_SRC_IP : NFT_CT_SRC_IP6, IP_CT_DIR_REPLY, second);
	else
		ct(rule, four ? NFT_CT_DST_IP : NFT_CT_DST_IP6, IP_CT_DIR_ORIGINAL, second);
	ct(rule, NFT_CT_PROTOCOL, IP_CT_DIR_ORIGINAL, third);
	if (backend)
		ct(rule, NFT_CT_PROTO_SRC, IP_CT_DIR_REPLY, four ? NFT_REG32_03 : NFT_REG32_09);
	else
		ct(rule, NFT_CT_PROTO_DST, IP_CT_DIR_ORIGINAL, four ? NFT_REG32_03 : NFT_REG32_09);
}

/* The same of a packet that conntrack does not know, from its headers. */
static void headers(struct rule *rule, bool four)
{
	uint32_t size = four ? 4 : 16, offset = four ? 12 : 8;

	payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, size, NFT_REG_1);
	payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset + size, size,
		four ? NFT_REG32_01 : NFT_REG_2);
	meta(rule, NFT_META_L4PROTO, four ? NFT_REG32_02 : NFT_REG_3);
	payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, four ? NFT_REG32_03 : NFT_REG32_09);
}

static struct rule begin(struct fw_nft_batch *batch, const char *chain, uint32_t number)
{
	struct rule rule = {.rule = nftnl_rule_alloc(), .batch = batch};
	uint8_t mark[32];
	uint32_t size = fw_postnat_rule_mark(number, mark);

	if (!rule.rule) {
		batch->error = -ENOMEM;
		return rule;
	}
	nftnl_rule_set_u32(rule.rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
	(void)nftnl_rule_set_str(rule.rule, NFTNL_RULE_TABLE, FW_POSTNAT_TABLE);
	(void)nftnl_rule_set_str(rule.rule, NFTNL_RULE_CHAIN, chain);
	(void)nftnl_rule_set_data(rule.rule, NFTNL_RULE_USERDATA, mark, size);
	return rule;
}

static void end(struct rule *rule)
{
	if (!rule->batch->error) {
		nftnl_rule_nlmsg_build_payload(
			fw_nft_put(rule->batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND),
			rule->rule);
		fw_nft_next(rule->batch);
	}
	if (rule->rule)
		nftnl_rule_free(rule->rule);
}

static void put_bare(struct fw_nft_batch *batch, uint32_t number)
{
	const uint32_t zero = 0, bits = NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT;
	struct rule rule = begin(batch, "prerouting", number);

	ct(&rule, NFT_CT_STATE, NO_DIRECTION, NFT_REG_1);
	mask(&rule, bits);
	compare(&rule, NFT_CMP_NEQ, &zero, sizeof(zero));
	verdict(&rule, NFT_JUMP, "bare");
	end(&rule);
}

static void put_family(struct fw_nft_batch *batch, bool four, uint32_t number)
{
	uint8_t ambiguous = four ? FW_POSTNAT_AMBIGUOUS4 : FW_POSTNAT_AMBIGUOUS6;
	const uint8_t reply = IP_CT_DIR_REPLY;
	const char *judge = four ? "judge4" : "judge6";
	struct rule rule = begin(batch, "prerouting", number);

	only_family(&rule, four);
	connection(&rule, four, false);
	look_up(&rule, ambiguous);
	verdict(&rule, NFT_JUMP, judge);
	end(&rule);
	rule = begin(batch, "output", number + 1);
	ct(&rule, NFT_CT_DIRECTION, NO_DIRECTION, NFT_REG_1);
	compare(&rule, NFT_CMP_EQ, &reply, sizeof(reply));
	only_family(&rule, four);
	connection(&rule, four, false);
	look_up(&rule, ambiguous);
	verdict(&rule, NFT_JUMP, judge);
	end(&rule);
	rule = begin(batch, judge, number + 2);
	connection(&rule, four, true);
	look_up(&rule, four ? FW_POSTNAT_ALLOWED4 : FW_POSTNAT_ALLOWED6);
	verdict(&rule, NF_ACCEPT, NULL);
	end(&rule);
	rule = begin(batch, judge, number + 3);
	count_and_drop(&rule);
	end(&rule);
	rule = begin(batch, "bare", number + 4);
	only_family(&rule, four);
	headers(&rule, four);
	look_up(&rule, ambiguous);
	count_and_drop(&rule);
	end(&rule);
}

/* As nft writes a comment: type, length, text. */
uint32_t fw_postnat_rule_mark(uint32_t number, uint8_t ret_mark[32])
{
	int length = snprintf((char *)ret_mark + 2, 30, "podwall " MARK_VERSION ".%u", number);

	ret_mark[0] = 0;
	ret_mark[1] = (uint8_t)(length + 1);
	return (uint32_t)length + 3;
}

void fw_postnat_put_rules(struct fw_nft_batch *batch)
{
	_Static_assert(FW_POSTNAT_RULES == 1 + 2 * 5, "their numbers");
	put_bare(batch, 0);
	put_family(batch, true, 1);
	put_family(batch, false, 6);
}
