/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address to pod: who claims an address, and which claim holds. In: pods' status addresses,
 * sandboxes' addresses. Out: one owner or nobody. Finished and host-network pods claim nothing
 * (edge cases 21, 22, 23); a pod with status addresses claims those only (39); a sandbox speaks for
 * a pod that has none.
 */
#include "model/internal.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"

static bool is_peer(const struct fw_pod *pod)
{
	return !pod->finished && !pod->host_network;
}

static void release(struct fw_model_state *state, const struct fw_ip *ip, const struct fw_pod *pod,
		    const struct fw_sandbox *sandbox)
{
	struct fw_model_holder **link, *holder;
	struct fw_model_address *address;

	HASH_FIND(hh, state->addresses, ip, sizeof(*ip), address);
	if (!address)
		return;
	for (link = &address->holders; *link; link = &(*link)->next)
		if ((*link)->pod == pod && (*link)->sandbox == sandbox)
			break;
	holder = *link;
	if (!holder)
		return;
	*link = holder->next;
	free(holder);
	if (address->holders)
		return;
	HASH_DEL(state->addresses, address);
	free(address);
}

static int claim(struct fw_model_state *state, const struct fw_ip *ip, const struct fw_pod *pod,
		 const struct fw_sandbox *sandbox)
{
	_cleanup_free_ struct fw_model_holder *holder = calloc(1, sizeof(*holder));
	struct fw_model_address *address;

	if (!holder)
		return -ENOMEM;
	HASH_FIND(hh, state->addresses, ip, sizeof(*ip), address);
	if (!address) {
		address = calloc(1, sizeof(*address));
		if (!address)
			return -ENOMEM;
		address->ip = *ip;
		HASH_ADD(hh, state->addresses, ip, sizeof(address->ip), address);
		if (!address->hh.tbl) {
			free(address);
			return -ENOMEM;
		}
	}
	holder->pod = pod;
	holder->sandbox = sandbox;
	holder->next = address->holders;
	address->holders = TAKE_PTR(holder);
	return 0;
}

static int claim_all(struct fw_model_state *state, const struct fw_ip *ips, size_t count,
		     const struct fw_pod *pod, const struct fw_sandbox *sandbox)
{
	for (size_t i = 0; i < count; i++) {
		int r = claim(state, &ips[i], pod, sandbox);

		if (!r)
			continue;
		while (i--)
			release(state, &ips[i], pod, sandbox);
		return r;
	}
	return 0;
}

int fw_model_index_pod(struct fw_model_state *state, const struct fw_pod *pod)
{
	return is_peer(pod) ? claim_all(state, pod->ips, pod->ip_count, pod, NULL) : 0;
}

void fw_model_unindex_pod(struct fw_model_state *state, const struct fw_pod *pod)
{
	for (size_t i = 0; i < pod->ip_count; i++)
		release(state, &pod->ips[i], pod, NULL);
}

int fw_model_index_sandbox(struct fw_model_state *state, const struct fw_sandbox *sandbox)
{
	return claim_all(state, sandbox->ips, sandbox->ip_count, NULL, sandbox);
}

void fw_model_unindex_sandbox(struct fw_model_state *state, const struct fw_sandbox *sandbox)
{
	for (size_t i = 0; i < sandbox->ip_count; i++)
		release(state, &sandbox->ips[i], NULL, sandbox);
}

void fw_model_free_addresses(struct fw_model_state *state)
{
	struct fw_model_address *address, *next;

	HASH_ITER(hh, state->addresses, address, next) {
		while (address->holders) {
			struct fw_model_holder *holder = address->holders;

			address->holders = holder->next;
			free(holder);
		}
		HASH_DEL(state->addresses, address);
		free(address);
	}
}

size_t fw_model_pod_ips(const struct fw_model *model, const struct fw_pod *pod,
			const struct fw_ip **ret_ips)
{
	const struct fw_sandbox *sandbox;

	*ret_ips = NULL;
	if (!is_peer(pod))
		return 0;
	if (pod->ip_count) {
		*ret_ips = pod->ips;
		return pod->ip_count;
	}
	sandbox = fw_model_sandbox_of_pod(model, pod);
	if (!sandbox)
		return 0;
	*ret_ips = sandbox->ips;
	return sandbox->ip_count;
}

/* The pod for which this holder speaks, NULL when it speaks for none. */
static const struct fw_pod *claimant(const struct fw_model *model,
				     const struct fw_model_holder *holder)
{
	const struct fw_pod *pod = holder->pod;

	if (pod)
		return pod;
	pod = fw_model_pod_of_sandbox(model, holder->sandbox);
	if (!pod || !is_peer(pod) || pod->ip_count)
		return NULL;
	return fw_model_sandbox_of_pod(model, pod) == holder->sandbox ? pod : NULL;
}

const struct fw_pod *fw_model_pod_by_ip(const struct fw_model *model, const struct fw_ip *ip)
{
	const struct fw_pod *owner = NULL;
	struct fw_model_address *address;
	bool disputed = false;
	uint64_t since = 0;

	HASH_FIND(hh, model->state->addresses, ip, sizeof(*ip), address);
	for (struct fw_model_holder *holder = address ? address->holders : NULL; holder;
	     holder = holder->next) {
		const struct fw_pod *pod = claimant(model, holder);
		uint64_t held;

		if (!pod || pod == owner)
			continue;
		if (!owner && !holder->next)
			return pod; /* nearly always: one claim */
		held = fw_model_holding_since(model, pod, ip);
		if (!owner || held > since) {
			owner = pod;
			since = held;
			disputed = false;
		} else if (held == since) {
			disputed = true;
		}
	}
	return disputed ? NULL : owner;
}
