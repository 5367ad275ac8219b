// SPDX-License-Identifier: Apache-2.0
/* The messages that make, change and remove the table; see chain.h. */
#include "postnat/chain.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>

#include "postnat/inside.h"

#define PRIORITY     (-50)
#define OWNED_FLAGS  (0x2u | 0x4u) /* NFT_TABLE_F_OWNER, NFT_TABLE_F_PERSIST */
#define CHUNK	     256u	   /* elements in a message */
#define TYPE(a, b)   ((((a) << 6 | (a)) << 6 | 12u) << 6 | (b))
#define TYPE_IP4     7u /* nft's numbers, so that `nft list` shows addresses */
#define TYPE_IP6     8u
#define TYPE_SERVICE 13u

const char *const fw_postnat_set_names[FW_POSTNAT_SETS] = {
	[FW_POSTNAT_AMBIGUOUS4] = "ambiguous4",
	[FW_POSTNAT_AMBIGUOUS6] = "ambiguous6",
	[FW_POSTNAT_ALLOWED4] = "allowed4",
	[FW_POSTNAT_ALLOWED6] = "allowed6",
};

static void put_table(struct fw_nft_batch *batch, uint16_t type, uint16_t flags, bool owned)
{
	struct nftnl_table *table = nftnl_table_alloc();

	if (!table) {
		batch->error = -ENOMEM;
		return;
	}
	nftnl_table_set_str(table, NFTNL_TABLE_NAME, FW_POSTNAT_TABLE);
	if (owned)
		nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS, OWNED_FLAGS);
	nftnl_table_nlmsg_build_payload(fw_nft_put(batch, type, flags), table);
	fw_nft_next(batch);
	nftnl_table_free(table);
}

static void put_chain(struct fw_nft_batch *batch, const char *name, int hook)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();

	if (!chain) {
		batch->error = -ENOMEM;
		return;
	}
	nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, FW_POSTNAT_TABLE);
	nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
	if (hook >= 0) {
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, (uint32_t)hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, PRIORITY);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	}
	nftnl_chain_nlmsg_build_payload(fw_nft_put(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE), chain);
	fw_nft_next(batch);
	nftnl_chain_free(chain);
}

static struct nftnl_set *new_set(uint8_t set)
{
	struct nftnl_set *new = nftnl_set_alloc();

	if (!new)
		return NULL;
	nftnl_set_set_u32(new, NFTNL_SET_FAMILY, NFPROTO_INET);
	if (nftnl_set_set_str(new, NFTNL_SET_TABLE, FW_POSTNAT_TABLE) == 0 &&
	    nftnl_set_set_str(new, NFTNL_SET_NAME, fw_postnat_set_names[set]) == 0)
		return new;
	nftnl_set_free(new);
	return NULL;
}

static void put_set(struct fw_nft_batch *batch, uint8_t set)
{
	uint32_t address = fw_postnat_key_size(set) == FW_POSTNAT_KEY4 ? TYPE_IP4 : TYPE_IP6;
	struct nftnl_set *new = new_set(set);

	if (!new) {
		batch->error = -ENOMEM;
		return;
	}
	nftnl_set_set_u32(new, NFTNL_SET_KEY_TYPE, TYPE(address, TYPE_SERVICE));
	nftnl_set_set_u32(new, NFTNL_SET_KEY_LEN, (uint32_t)fw_postnat_key_size(set));
	nftnl_set_set_u32(new, NFTNL_SET_ID, set + 1u);
	nftnl_set_nlmsg_build_payload(fw_nft_put(batch, NFT_MSG_NEWSET, NLM_F_CREATE), new);
	fw_nft_next(batch);
	nftnl_set_free(new);
}

static int add_element(struct nftnl_set *set, const struct fw_postnat_element *e)
{
	struct nftnl_set_elem *element = nftnl_set_elem_alloc();

	if (!element)
		return -ENOMEM;
	if (nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, e->key,
			       (uint32_t)fw_postnat_key_size(e->set)) < 0) {
		nftnl_set_elem_free(element);
		return -ENOMEM;
	}
	nftnl_set_elem_add(set, element);
	return 0;
}

/* Elements of one set, CHUNK at most. */
static void put_chunk(struct fw_nft_batch *batch, uint16_t type,
		      const struct fw_postnat_element *const *elements, size_t count)
{
	struct nftnl_set *set = new_set(elements[0]->set);

	if (!set) {
		batch->error = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < count && !batch->error; i++)
		batch->error = add_element(set, elements[i]);
	if (!batch->error) {
		nftnl_set_elems_nlmsg_build_payload(
			fw_nft_put(batch, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0),
			set);
		fw_nft_next(batch);
	}
	nftnl_set_free(set);
}

/* Those of `rows` that are not among `others`. */
static void put_elements(struct fw_nft_batch *batch, uint16_t type,
			 const struct fw_postnat_rows *rows, const struct fw_postnat_rows *others)
{
	const struct fw_postnat_element *chunk[CHUNK];
	size_t at = 0, count = 0;

	for (size_t i = 0; i < rows->count && !batch->error; i++) {
		const struct fw_postnat_element *e = &rows->items[i];

		while (at < others->count && fw_postnat_compare(&others->items[at], e) < 0)
			at++;
		if (at < others->count && !fw_postnat_compare(&others->items[at], e))
			continue;
		if (count == CHUNK || (count && chunk[0]->set != e->set)) {
			put_chunk(batch, type, chunk, count);
			count = 0;
		}
		chunk[count++] = e;
	}
	if (count && !batch->error)
		put_chunk(batch, type, chunk, count);
}

int fw_postnat_make(struct fw_nft *nft, bool owned, const struct fw_postnat_rows *rows,
		    struct fw_err *err)
{
	const struct fw_postnat_rows none = {0};
	struct fw_nft_batch batch;
	int r = fw_nft_begin(nft, &batch);

	if (r < 0)
		return fw_err_errno(err, r, "nf_tables");
	put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, false); /* so that there is one to go */
	put_table(&batch, NFT_MSG_DELTABLE, 0, false);
	put_table(&batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, owned);
	for (uint8_t set = 0; set < FW_POSTNAT_SETS; set++)
		put_set(&batch, set);
	put_chain(&batch, "judge4", -1);
	put_chain(&batch, "judge6", -1);
	put_chain(&batch, "bare", -1);
	put_chain(&batch, "prerouting", NF_INET_PRE_ROUTING);
	put_chain(&batch, "output", NF_INET_LOCAL_OUT);
	fw_postnat_put_rules(&batch);
	put_elements(&batch, NFT_MSG_NEWSETELEM, rows, &none);
	r = fw_nft_commit(nft, &batch, err);
	fw_nft_batch_done(&batch);
	return r;
}

int fw_postnat_change(struct fw_nft *nft, const struct fw_postnat_rows *held,
		      const struct fw_postnat_rows *wanted, struct fw_err *err)
{
	struct fw_nft_batch batch;
	int r = fw_nft_begin(nft, &batch);

	if (r < 0)
		return fw_err_errno(err, r, "nf_tables");
	put_elements(&batch, NFT_MSG_NEWSETELEM, wanted, held);
	put_elements(&batch, NFT_MSG_DELSETELEM, held, wanted);
	r = fw_nft_commit(nft, &batch, err);
	fw_nft_batch_done(&batch);
	return r;
}

int fw_postnat_drop(struct fw_nft *nft, struct fw_err *err)
{
	struct fw_nft_batch batch;
	int r = fw_nft_begin(nft, &batch);

	if (r < 0)
		return fw_err_errno(err, r, "nf_tables");
	put_table(&batch, NFT_MSG_DELTABLE, 0, false);
	r = fw_nft_commit(nft, &batch, err);
	fw_nft_batch_done(&batch);
	return r == -ENOENT ? 0 : r;
}
