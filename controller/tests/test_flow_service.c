/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of flows to service addresses that are older than the daemon. In: service rows in real
 * maps, synthetic tellings of the sweeper. Out: TAP.
 */
#include "flow_world.h"

#define PIN "/sys/fs/bpf/pw-flw-service"

static struct flow_world world;

static int begin(void **state)
{
	world_begin(&world, PIN, 1 << 20, 256);
	*state = &world;
	return 0;
}

static int end(void **state)
{
	world_end(*state);
	return 0;
}

/* Returns the number that the row in the kernel has. */
static uint32_t apply_service(struct flow_world *w, const char *ip, const char *name)
{
	struct fw_class_row classes[] = {{.digest = {5, 6}, .label = "world"},
					 {.digest = {7, 8}, .label = "unknown"}};
	struct fw_service_row service = {.port = 80,
					 .protocol = FW_PROTO_TCP,
					 .state = FW_SERVICE_RESOLVED,
					 .namespace = "shop",
					 .name = name,
					 .port_name = "http"};
	struct fw_tables tables = {
		.classes = classes, .classes_count = 2, .services = &service, .services_count = 1};
	struct fw_service_key key = {.port = 80, .protocol = FW_PROTO_TCP};
	struct fw_service row;
	struct fw_err err = {""};

	assert_int_equal(fw_ip_parse(ip, &service.ip, NULL), 0);
	world_must(fw_apply_tables(w->apply, &tables, NULL, 0, NULL, &err), "fw_apply_tables",
		   &err);
	memcpy(key.addr, &service.ip, sizeof(key.addr));
	assert_int_equal(
		bpf_map_lookup_elem(fw_datapath_map_fd(w->datapath, FW_MAP_SERVICES), &key, &row),
		0);
	return row.id;
}

static void the_end_of_a_flow_older_than_the_daemon_names_its_service(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.96.0.10");
	struct fw_sweep_flow swept;

	(void)apply_service(w, "10.96.0.10", "web");
	event.remote_port = 80;
	swept = world_swept(w, &event, 1, 100);
	swept.ended = true;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 1);
	assert_string_equal(w->got[0].service, ""); /* control: it did not go to a service */
	swept.copy.state |= FW_FLOW_STATE_SERVICE;
	fw_flows_swept(&swept, w->flows);
	assert_int_equal(w->count, 2);
	assert_int_equal(w->got[1].type, FW_RECORD_END);
	assert_string_equal(w->got[1].service, "shop/web:http");
	swept.copy.remote_port = 81;
	fw_flows_swept(&swept, w->flows);
	assert_string_equal(w->got[2].service, ""); /* a port that is not in the maps any more */
}

/* Edge case 33: what was said of the address's earlier service stays said of that one. */
static void a_cluster_address_used_again_names_each_in_its_time(void **state)
{
	struct flow_world *w = *state;
	struct fw_event event = world_event(w, FW_EVENT_NEW, FW_EGRESS, "10.96.0.10");
	uint32_t first, second;

	event.remote_port = 80;
	event.state |= FW_FLOW_STATE_SERVICE;
	first = apply_service(w, "10.96.0.10", "web");
	second = apply_service(w, "10.96.0.10", "other");
	assert_int_not_equal(first, second);
	event.service = second;
	(void)fw_flows_event(w->flows, &event);
	assert_int_equal(w->count, 1);
	assert_string_equal(w->got[0].service, "shop/other:http");
	event.service = first; /* on its way when the row changed */
	event.flow++;
	event.local_port++;
	(void)fw_flows_event(w->flows, &event);
	assert_int_equal(w->count, 2);
	assert_string_equal(w->got[1].service, "shop/web:http");
	assert_int_equal(apply_service(w, "10.96.0.10", "web"), first); /* a name is a number */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_end_of_a_flow_older_than_the_daemon_names_its_service, begin, end),
		cmocka_unit_test_setup_teardown(a_cluster_address_used_again_names_each_in_its_time,
						begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
