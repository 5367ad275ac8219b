/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy objects to items, through the frontend of each kind. In: the model's policies. Out: one
 * list of items sorted by (kind, namespace, name), and the namespaces in which it changed.
 */
#include "compile/stages.h"

static int make_network_policy(void *context, const struct fw_object *object, void **ret_record)
{
	struct fw_compiler *compiler = context;
	struct fw_realm_record *realm = fw_realm_find(compiler, object->namespace);
	struct fw_item *item = NULL;
	int r = fw_item_from_network_policy(&compiler->terms,
					    (const struct fw_network_policy *)object, &item);

	if (r)
		return r;
	if (realm)
		realm->items_changed = true;
	*ret_record = item;
	return 0;
}

static void drop_item(void *context, void *record)
{
	struct fw_compiler *compiler = context;
	struct fw_item *item = record;
	struct fw_realm_record *realm = fw_realm_find(compiler, item->namespace);

	if (realm)
		realm->items_changed = true;
	fw_item_release(&compiler->terms, item);
	compiler->dead_items.items[compiler->dead_items.count++] = item;
}

int fw_stage_items(struct fw_compiler *compiler, const struct fw_model *model)
{
	struct fw_track_ops ops = {
		.make = make_network_policy, .drop = drop_item, .context = compiler};
	size_t count;
	int r;

	/* room for every drop: dropping cannot fail */
	r = FW_ROOM(&compiler->dead_items, compiler->policies.count + 1);
	if (!r)
		r = fw_track_update(&compiler->policies, model, FW_KIND_NETWORK_POLICY, &ops,
				    &compiler->items_changed);
	count = compiler->policies.count;
	if (!r)
		r = fw_grow((void **)&compiler->items.items, &compiler->items.cap, count + 1,
			    sizeof(*compiler->items.items));
	if (r || !compiler->items_changed)
		return r;
	compiler->items.count = count;
	for (size_t i = 0; i < count; i++)
		compiler->items.items[i] = compiler->policies.rows[i].record;
	return 0;
}

void fw_items_settle(struct fw_compiler *compiler)
{
	for (size_t i = 0; i < compiler->dead_items.count; i++)
		fw_item_free(compiler->dead_items.items[i]);
	compiler->dead_items.count = 0;
	compiler->items_changed = false;
}

static void free_item(void *record)
{
	fw_item_free(record);
}

void fw_items_done(struct fw_compiler *compiler)
{
	fw_track_done(&compiler->policies, free_item);
	fw_items_settle(compiler);
	free(compiler->items.items);
	free(compiler->dead_items.items);
}
