/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address to pod: who claims an address, and which claim holds. In: pods' status addresses,
 * sandboxes' addresses. Out: one owner or nobody. Finished and host-network pods claim nothing
 * (edge cases 21, 22, 23); a pod with status addresses claims those only (39); a sandbox speaks for
 * a pod that has none.
 */
#include "model/internal.h"

#include <errno.h>

static bool is_peer(const struct fw_pod *pod)
{
	return !pod->finished && !pod->host_network;
}

static uint64_t hash_of(const struct fw_ip *ip)
{
	return fw_hash_bytes(3, ip->b, sizeof(ip->b));
}

static void release_all(struct fw_htab *table, const struct fw_ip *ips, size_t count,
			const void *holder)
{
	for (size_t i = 0; i < count; i++)
		fw_htab_remove(table, hash_of(&ips[i]), holder);
}

static int claim_all(struct fw_htab *table, const struct fw_ip *ips, size_t count, void *holder)
{
	for (size_t i = 0; i < count; i++) {
		if (!fw_htab_add(table, hash_of(&ips[i]), holder))
			continue;
		release_all(table, ips, i, holder);
		return -ENOMEM;
	}
	return 0;
}

static bool holds(const struct fw_ip *ips, size_t count, const struct fw_ip *ip)
{
	for (size_t i = 0; i < count; i++) {
		if (fw_ip_equal(&ips[i], ip))
			return true;
	}
	return false;
}

int fw_model_index_pod(struct fw_model_state *state, struct fw_pod *pod)
{
	return is_peer(pod) ? claim_all(&state->pod_addresses, pod->ips, pod->ip_count, pod) : 0;
}

void fw_model_unindex_pod(struct fw_model_state *state, const struct fw_pod *pod)
{
	release_all(&state->pod_addresses, pod->ips, pod->ip_count, pod);
}

int fw_model_index_sandbox(struct fw_model_state *state, struct fw_sandbox *sandbox)
{
	return claim_all(&state->sandbox_addresses, sandbox->ips, sandbox->ip_count, sandbox);
}

void fw_model_unindex_sandbox(struct fw_model_state *state, const struct fw_sandbox *sandbox)
{
	release_all(&state->sandbox_addresses, sandbox->ips, sandbox->ip_count, sandbox);
}

void fw_model_free_addresses(struct fw_model_state *state)
{
	fw_htab_done(&state->pod_addresses);
	fw_htab_done(&state->sandbox_addresses);
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

/* Who of several has it: see fw_model_pod_by_ip(). */
struct dispute {
	const struct fw_model *model;
	const struct fw_ip *ip;
	const struct fw_pod *owner;
	uint64_t since; /* when the owner's sandbox got it */
	bool weighed;	/* `since` is known */
	bool undecided;
};

static uint64_t held_since(const struct dispute *dispute, const struct fw_pod *pod)
{
	return fw_model_holding_since(dispute->model, pod, dispute->ip);
}

static void hear(struct dispute *dispute, const struct fw_pod *pod)
{
	uint64_t held;

	if (pod == dispute->owner)
		return;
	if (!dispute->owner) { /* nearly always the only one: not weighed */
		dispute->owner = pod;
		return;
	}
	if (!dispute->weighed)
		dispute->since = held_since(dispute, dispute->owner);
	dispute->weighed = true;
	held = held_since(dispute, pod);
	if (held > dispute->since) {
		dispute->owner = pod;
		dispute->since = held;
		dispute->undecided = false;
	} else if (held == dispute->since) {
		dispute->undecided = true;
	}
}

/* The pod for which a sandbox speaks, NULL when it speaks for none. */
static const struct fw_pod *spoken_for(const struct fw_model *model,
				       const struct fw_sandbox *sandbox)
{
	const struct fw_pod *pod = fw_model_pod_of_sandbox(model, sandbox);

	if (!pod || !is_peer(pod) || pod->ip_count)
		return NULL;
	return fw_model_sandbox_of_pod(model, pod) == sandbox ? pod : NULL;
}

const struct fw_pod *fw_model_pod_by_ip(const struct fw_model *model, const struct fw_ip *ip)
{
	const struct fw_model_state *state = model->state;
	struct dispute dispute = {.model = model, .ip = ip};
	uint64_t hash = hash_of(ip);
	const struct fw_sandbox *sandbox;
	const struct fw_pod *pod;
	size_t at = 0;

	while ((pod = fw_htab_next(&state->pod_addresses, hash, &at))) {
		if (holds(pod->ips, pod->ip_count, ip))
			hear(&dispute, pod);
	}
	at = 0;
	while ((sandbox = fw_htab_next(&state->sandbox_addresses, hash, &at))) {
		pod = holds(sandbox->ips, sandbox->ip_count, ip) ? spoken_for(model, sandbox)
								 : NULL;
		if (pod)
			hear(&dispute, pod);
	}
	return dispute.undecided ? NULL : dispute.owner;
}
