// SPDX-License-Identifier: Apache-2.0
/*
 * Apply killed between any two writes. In: pairs of random tables. Out: TAP. A child applies the
 * second tables and ends at its n-th write; what the maps then say is checked, and the parent
 * adopts them and applies again. n grows until the child gets through.
 */
#include "apply_world.h"

#include <sys/wait.h>

#define PIN "/sys/fs/bpf/pw-dmn-kill"

static const struct fw_sizes small = {.regions = 16,
				      .region_slots = 64,
				      .cells = 4096,
				      .ranges = 4096,
				      .addresses = 256,
				      .prefixes = 64,
				      .services = 64,
				      .events_bytes = 4096};

struct fixture {
	struct fw_datapath *datapath;
	struct fw_apply *apply;
	struct fw_apply_endpoint endpoints[WORLD_PODS];
	char names[WORLD_PODS][8];
	char state_dir[64];
};

static int writes_left;

static void end_here(const char *what)
{
	(void)what;
	if (!writes_left--)
		_exit(7);
}

static void check_call(int r, const char *what, const struct fw_err *err)
{
	if (r < 0)
		fail_msg("%s: %s", what, err->text);
}

static void begin(struct fixture *f)
{
	struct fw_err err = {""};

	memset(f, 0, sizeof(*f));
	(void)snprintf(f->state_dir, sizeof(f->state_dir), "/tmp/pw-dmn-kill-XXXXXX");
	assert_non_null(mkdtemp(f->state_dir));
	(void)fw_datapath_destroy(PIN, &err);
	check_call(fw_datapath_make(PIN, &small, &f->datapath, &err), "make", &err);
	for (uint32_t i = 0; i < WORLD_PODS; i++) {
		struct fw_apply_endpoint *endpoint = &f->endpoints[i];

		(void)snprintf(f->names[i], sizeof(f->names[i]), "p%u", i);
		endpoint->owner = fw_endpoint_owner(f->names[i], "eth0");
		endpoint->namespace = "shop";
		endpoint->name = f->names[i];
		check_call(fw_endpoint_claim(f->datapath, endpoint->owner, 100 + i, &endpoint->slot,
					     &err),
			   "claim", &err);
		fw_endpoint_publish(fw_datapath_endpoint(f->datapath, endpoint->slot),
				    FW_EP_ISOLATED);
	}
}

static void end(struct fixture *f)
{
	static const char *const names[] = {"ids.log", "decisions.log", "services.log"};
	struct fw_err err = {""};
	char path[128];

	fw_datapath_close(&f->datapath);
	assert_int_equal(fw_datapath_destroy(PIN, &err), 0);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", f->state_dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(f->state_dir);
}

/* Adopts, applies, finishes. */
static void apply_whole(struct fixture *f, const struct world *w, bool finish)
{
	struct fw_apply_stats stats;
	struct fw_err err = {""};

	check_call(fw_apply_new(f->datapath, f->state_dir, &f->apply, &err), "adopt", &err);
	check_call(fw_apply_tables(f->apply, &w->tables, f->endpoints, WORLD_PODS, &stats, &err),
		   "apply", &err);
	if (finish)
		check_call(fw_apply_finish(f->apply, &err), "finish", &err);
}

static bool child_ends(struct fixture *f, const struct world *w, int writes)
{
	pid_t child = fork();
	int status = 0;

	assert_true(child >= 0);
	if (!child) {
		struct fw_apply_stats stats;
		struct fw_err err = {""};

		writes_left = writes;
		fw_apply_write_hook = end_here;
		if (fw_apply_new(f->datapath, f->state_dir, &f->apply, &err) < 0 ||
		    fw_apply_tables(f->apply, &w->tables, f->endpoints, WORLD_PODS, &stats, &err) <
			    0 ||
		    fw_apply_finish(f->apply, &err) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 7));
	return WEXITSTATUS(status) == 0;
}

static uint32_t decide(struct fixture *f, uint32_t pod, uint8_t direction, const struct fw_ip *ip,
		       uint32_t key)
{
	return maps_decision(f->datapath,
			     fw_datapath_endpoint(f->datapath, f->endpoints[pod].slot)->subject,
			     direction, maps_class(f->datapath, ip), key);
}

/* After the parent's own apply: exactly what the tables say. */
static void check_whole(struct fixture *f, const struct world *w)
{
	for (uint32_t pod = 0; pod < WORLD_PODS; pod++)
		for (uint32_t host = 0; host < WORLD_ADDRESSES; host++)
			for (uint32_t n = 0; n < 2 * WORLD_PORTS; n++) {
				struct fw_ip ip = world_ip(host);
				uint32_t key = FW_RANGE_KEY(6, 50 + 100 * (n / 2));

				assert_true(same_rule(f->apply, decide(f, pod, n % 2, &ip, key),
						      tables_rule(w, w->pods[pod].subject, n % 2,
								  tables_class(w, &ip), key)));
			}
}

/*
 * Between two writes: an endpoint that is active has a subject whose row and cells are there: it
 * says about each class what the old tables or the new ones say, never anything else.
 */
static void check_between(struct fixture *f, const struct world *old, const struct world *new)
{
	struct fw_err err = {""};

	check_call(fw_apply_new(f->datapath, f->state_dir, &f->apply, &err), "adopt", &err);
	for (uint32_t pod = 0; pod < WORLD_PODS; pod++)
		for (uint32_t n = 0; n < 2 * WORLD_PORTS; n++) {
			struct fw_ip ip = world_ip(WORLD_ADDRESSES +
						   900); /* no row of its own, in any tables */
			uint32_t key = FW_RANGE_KEY(6, 50 + 100 * (n / 2));
			uint32_t got = decide(f, pod, n % 2, &ip, key);
			bool known = false;

			for (uint32_t c = 0; c < old->tables.classes_count; c++)
				known |= same_rule(
					f->apply, got,
					tables_rule(old, old->pods[pod].subject, n % 2, c, key));
			for (uint32_t c = 0; c < new->tables.classes_count; c++)
				known |= same_rule(
					f->apply, got,
					tables_rule(new, new->pods[pod].subject, n % 2, c, key));
			assert_true(known);
		}
	fw_apply_free(&f->apply);
}

static void kill_everywhere(uint64_t seed)
{
	static struct world old, new;
	struct fixture f;
	bool through = false;
	int writes = 0;

	world_make(&old, seed, seed % 2);
	world_make(&new, seed + 1, (seed + 1) % 2);
	begin(&f);
	while (!through) {
		apply_whole(&f, &old, true);
		fw_apply_free(&f.apply);
		through = child_ends(&f, &new, writes++);
		check_between(&f, &old, &new);
		apply_whole(&f, &new, true);
		check_whole(&f, &new);
		assert_int_equal(fw_apply_fill(f.apply, FW_MAP_CELLS), new.tables.cells_count);
		assert_int_equal(fw_apply_fill(f.apply, FW_MAP_SUBJECTS),
				 new.tables.subjects_count);
		fw_apply_free(&f.apply);
	}
	assert_true(writes > 20);
	print_message("# ended at each of %d writes\n", writes - 1);
	end(&f);
}

static void test_killed_at_any_write_the_next_one_ends_like_a_fresh_apply(void **state)
{
	(void)state;
	kill_everywhere(11);
	kill_everywhere(24);
}

/* Bumps that a killed apply did not get to are made up for by the next. */
static void test_every_endpoint_is_judged_again_after_a_kill(void **state)
{
	static struct world w;
	struct fixture f;
	uint32_t epoch[WORLD_PODS];

	(void)state;
	world_make(&w, 3, 0);
	begin(&f);
	apply_whole(&f, &w, false); /* no second bump: as if killed before it */
	fw_apply_free(&f.apply);
	for (uint32_t i = 0; i < WORLD_PODS; i++)
		epoch[i] = fw_datapath_endpoint(f.datapath, f.endpoints[i].slot)->epoch;
	apply_whole(&f, &w, true);
	for (uint32_t i = 0; i < WORLD_PODS; i++)
		assert_true(fw_datapath_endpoint(f.datapath, f.endpoints[i].slot)->epoch >=
			    epoch[i] + 2);
	fw_apply_free(&f.apply);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_at_any_write_the_next_one_ends_like_a_fresh_apply),
		cmocka_unit_test(test_every_endpoint_is_judged_again_after_a_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
