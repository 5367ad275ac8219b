/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes of this node, joined to the pods that the source tells of. In: what the plugin
 * reported. Out: which pod a sandbox is (edge cases 36, 37, 40). A name alone never joins where
 * both sides give a UID: the pod of that name may be a newer one.
 */
#include "model/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static int compare_boxes(const struct fw_sandbox *a, const struct fw_sandbox *b)
{
	int order = strcmp(a->container_id, b->container_id);

	return order ? order : strcmp(a->ifname, b->ifname);
}

static size_t find_place(const struct fw_model_state *state, const struct fw_sandbox *sandbox)
{
	size_t low = 0, high = state->sandbox_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_boxes(state->sandboxes[middle], sandbox) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int reserve(struct fw_model_state *state)
{
	size_t capacity = state->sandbox_capacity ? state->sandbox_capacity * 2 : 64;
	struct fw_sandbox **sandboxes;

	if (state->sandbox_count < state->sandbox_capacity)
		return 0;
	sandboxes = reallocarray(state->sandboxes, capacity, sizeof(*sandboxes));
	if (!sandboxes)
		return -ENOMEM;
	state->sandboxes = sandboxes;
	state->sandbox_capacity = capacity;
	return 0;
}

static struct fw_model_seat *find_seat(const struct fw_model_state *state, const char *namespace,
				       const char *name)
{
	struct fw_model_seat *seat;
	struct fw_model_key key;

	if (fw_model_key_make(namespace, name, &key))
		return NULL;
	HASH_FIND(hh, state->seats, key.text, key.len, seat);
	return seat;
}

static int sit_down(struct fw_model_state *state, struct fw_model_box *box)
{
	struct fw_model_seat *seat = find_seat(state, box->sandbox->namespace, box->sandbox->name);
	struct fw_model_key key;

	if (!seat) {
		if (fw_model_key_make(box->sandbox->namespace, box->sandbox->name, &key))
			return -EINVAL;
		seat = calloc(1, sizeof(*seat) + key.len);
		if (!seat)
			return -ENOMEM;
		memcpy(seat->key, key.text, key.len);
		HASH_ADD_KEYPTR(hh, state->seats, seat->key, key.len, seat);
		if (!seat->hh.tbl) {
			free(seat);
			return -ENOMEM;
		}
	}
	box->next = seat->boxes;
	seat->boxes = box;
	return 0;
}

static void stand_up(struct fw_model_state *state, struct fw_model_box *box)
{
	struct fw_model_seat *seat = find_seat(state, box->sandbox->namespace, box->sandbox->name);
	struct fw_model_box **link;

	if (!seat)
		return;
	for (link = &seat->boxes; *link && *link != box; link = &(*link)->next)
		;
	if (*link)
		*link = box->next;
	if (seat->boxes)
		return;
	HASH_DEL(state->seats, seat);
	free(seat);
}

static int add_box(struct fw_model_state *state, const struct fw_model_key *key,
		   struct fw_sandbox *sandbox)
{
	_cleanup_free_ struct fw_model_box *box = calloc(1, sizeof(*box) + key->len);
	size_t place;
	int r;

	if (!box || reserve(state))
		return -ENOMEM;
	memcpy(box->key, key->text, key->len);
	box->sandbox = sandbox;
	r = sit_down(state, box);
	if (r)
		return r;
	r = fw_model_index_sandbox(state, sandbox);
	if (r)
		goto fail;
	HASH_ADD_KEYPTR(hh, state->boxes, box->key, key->len, box);
	if (!box->hh.tbl) {
		fw_model_unindex_sandbox(state, sandbox);
		r = -ENOMEM;
		goto fail;
	}
	place = find_place(state, sandbox);
	memmove(state->sandboxes + place + 1, state->sandboxes + place,
		(state->sandbox_count - place) * sizeof(*state->sandboxes));
	state->sandboxes[place] = sandbox;
	state->sandbox_count++;
	box = NULL;
	return 0;
fail:
	stand_up(state, box);
	return r;
}

static void remove_box(struct fw_model_state *state, struct fw_model_box *box)
{
	size_t place = find_place(state, box->sandbox);

	memmove(state->sandboxes + place, state->sandboxes + place + 1,
		(state->sandbox_count - place - 1) * sizeof(*state->sandboxes));
	state->sandbox_count--;
	stand_up(state, box);
	fw_model_unindex_sandbox(state, box->sandbox);
	HASH_DEL(state->boxes, box);
	fw_sandbox_free(&box->sandbox);
	free(box);
}

int fw_model_put_sandbox(struct fw_model *model, struct fw_sandbox *sandbox)
{
	_cleanup_(fw_sandbox_free) struct fw_sandbox *owned = sandbox;
	struct fw_model_state *state = model->state;
	struct fw_model_box *old;
	struct fw_model_key key;
	int r;

	if (!owned->namespace || !owned->name || !owned->uid)
		return -EINVAL;
	r = fw_model_key_make(owned->container_id, owned->ifname, &key);
	if (r)
		return r;
	HASH_FIND(hh, state->boxes, key.text, key.len, old);
	if (old)
		remove_box(state, old);
	state->revision++;
	r = add_box(state, &key, owned);
	if (r)
		return r;
	owned = NULL;
	return 0;
}

int fw_model_remove_sandbox(struct fw_model *model, const char *container_id, const char *ifname)
{
	struct fw_model_box *box;
	struct fw_model_key key;

	if (fw_model_key_make(container_id, ifname, &key))
		return -ENOENT;
	HASH_FIND(hh, model->state->boxes, key.text, key.len, box);
	if (!box)
		return -ENOENT;
	remove_box(model->state, box);
	model->state->revision++;
	return 0;
}

size_t fw_model_list_sandboxes(const struct fw_model *model,
			       struct fw_sandbox *const **ret_sandboxes)
{
	*ret_sandboxes = model->state->sandboxes;
	return model->state->sandbox_count;
}

static bool is_sandbox_of(const struct fw_sandbox *sandbox, const struct fw_pod *pod)
{
	const char *uid = sandbox->uid;

	if (!*uid || !pod->object.uid || !*pod->object.uid || !strcmp(uid, pod->object.uid))
		return true;
	return pod->config_hash && !strcmp(uid, pod->config_hash);
}

const struct fw_pod *fw_model_pod_of_sandbox(const struct fw_model *model,
					     const struct fw_sandbox *sandbox)
{
	struct fw_object *object =
		fw_model_get(model, FW_KIND_POD, sandbox->namespace, sandbox->name);
	const struct fw_pod *pod = (const struct fw_pod *)object;

	return pod && is_sandbox_of(sandbox, pod) ? pod : NULL;
}

/*
 * The newest container's first interface: interfaces that a meta-plugin adds later do not make a
 * pod a peer (edge case 39).
 */
const struct fw_sandbox *fw_model_sandbox_of_pod(const struct fw_model *model,
						 const struct fw_pod *pod)
{
	struct fw_model_seat *seat =
		find_seat(model->state, pod->object.namespace, pod->object.name);
	const struct fw_sandbox *newest = NULL, *first = NULL;

	for (struct fw_model_box *box = seat ? seat->boxes : NULL; box; box = box->next)
		if (is_sandbox_of(box->sandbox, pod) &&
		    (!newest || box->sandbox->sequence > newest->sequence))
			newest = box->sandbox;
	if (!newest)
		return NULL;
	for (struct fw_model_box *box = seat->boxes; box; box = box->next)
		if (is_sandbox_of(box->sandbox, pod) &&
		    !strcmp(box->sandbox->container_id, newest->container_id) &&
		    (!first || box->sandbox->sequence < first->sequence))
			first = box->sandbox;
	return first;
}

uint64_t fw_model_holding_since(const struct fw_model *model, const struct fw_pod *pod,
				const struct fw_ip *ip)
{
	struct fw_model_seat *seat =
		find_seat(model->state, pod->object.namespace, pod->object.name);
	uint64_t since = 0;

	for (struct fw_model_box *box = seat ? seat->boxes : NULL; box; box = box->next) {
		const struct fw_sandbox *sandbox = box->sandbox;

		if (!is_sandbox_of(sandbox, pod) || sandbox->sequence < since)
			continue;
		for (size_t i = 0; i < sandbox->ip_count; i++)
			if (fw_ip_equal(&sandbox->ips[i], ip))
				since = sandbox->sequence + 1;
	}
	return since;
}

void fw_model_free_sandboxes(struct fw_model_state *state)
{
	struct fw_model_box *box, *next;

	HASH_ITER(hh, state->boxes, box, next) {
		HASH_DEL(state->boxes, box);
		stand_up(state, box);
		fw_sandbox_free(&box->sandbox);
		free(box);
	}
	free(state->sandboxes);
}
