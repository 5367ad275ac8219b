/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over the layers against the page that defines it. In: random cells with objects of every
 * layer. Compared: the clever walk (backward over E, forward over E') with a naive one that
 * evaluates each set of objects from the beginning. Also: no layer is missing, and the digest is
 * BLAKE2b's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compile/digest.h"
#include "compile/layers.h"

#define PARTS_MAX 8

static uint64_t seed = 42;

static unsigned int pick(unsigned int below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)(seed >> 20) % below;
}

/* policy-model.md, "Order, exactly": typed again here, so that a row lost there is found. */
static void test_no_layer_is_missing(void **state)
{
	static const char *const marks[] = {"own node", "L1", "L2", "L3", "L4",	  "L5",
					    "L6",	"L7", "L8", "L9", "allow"};

	(void)state;
	assert_int_equal(FW_LAYER_COUNT, sizeof(marks) / sizeof(*marks));
	for (int i = 0; i < FW_LAYER_COUNT; i++) {
		assert_int_equal(fw_layers[i].layer, i);
		assert_string_equal(fw_layers[i].mark, marks[i]);
		assert_true(*fw_layers[i].name);
		assert_int_equal(fw_layers[i].firm, i == FW_LAYER_POD_ISOLATION);
	}
	assert_int_equal(fw_layers[FW_LAYER_APPLICATION].style, FW_STYLE_UNION);
	assert_int_equal(fw_layers[FW_LAYER_DEFAULT].style, FW_STYLE_ALLOW);
}

struct result {
	enum fw_verdict verdict;
	int part;
	int rule;
	unsigned int isolated_by;
};

/* Straight from the page: the objects of `in`, layer by layer. */
static struct result naive(const struct fw_part *parts, size_t count, const bool *in)
{
	for (int layer = 0; layer < FW_LAYER_COUNT; layer++) {
		enum fw_style style = fw_layers[layer].style;
		struct result deny = {.verdict = FW_VERDICT_DENY, .part = -1, .rule = -1};
		bool passed = false;

		for (size_t i = 0; i < count && !passed; i++) {
			const struct fw_part *p = &parts[i];
			struct result here = {.part = (int)i, .rule = p->rule};

			if ((int)p->layer != layer || !in[i])
				continue;
			if (style == FW_STYLE_UNION && (p->flags & FW_PART_ISOLATES)) {
				deny.part = deny.part < 0 ? (int)i : deny.part;
				deny.isolated_by++;
			}
			if (p->rule < 0 || style == FW_STYLE_UNION)
				continue;
			if (style == FW_STYLE_CUT || p->action == FW_ACTION_DENY)
				here.verdict = FW_VERDICT_DENY;
			else if (p->action == FW_ACTION_REJECT)
				here.verdict = FW_VERDICT_REJECT;
			else if (p->action == FW_ACTION_ACCEPT)
				here.verdict = FW_VERDICT_ALLOW;
			else
				passed = true;
			if (!passed)
				return here;
		}
		if (!deny.isolated_by)
			continue;
		for (size_t i = 0; i < count; i++) {
			if ((int)parts[i].layer == layer && in[i] && parts[i].rule >= 0)
				return (struct result){.verdict = FW_VERDICT_ALLOW,
						       .part = (int)i,
						       .rule = parts[i].rule};
		}
		return deny;
	}
	return (struct result){.verdict = FW_VERDICT_ALLOW, .part = -1, .rule = -1};
}

static size_t make_parts(struct fw_part *parts)
{
	size_t count = pick(PARTS_MAX + 1);

	for (size_t i = 0; i < count; i++) {
		struct fw_part part = {.layer = pick(3) ? 1 + pick(FW_LAYER_BASELINE)
							: FW_LAYER_APPLICATION,
				       .flags = pick(3) ? 0 : FW_PART_AUDIT,
				       .replaces = -1,
				       .rule = pick(2) ? (int32_t)pick(3) : -1,
				       .action = (enum fw_action)pick(4)};
		size_t at = i;

		if (part.layer == FW_LAYER_APPLICATION && pick(5))
			part.flags |= FW_PART_ISOLATES;
		for (; at && parts[at - 1].layer > part.layer; at--)
			parts[at] = parts[at - 1];
		parts[at] = part;
	}
	/* who replaces is not replaced: circles have a test of their own */
	for (size_t i = 0; i + 1 < count; i++) {
		if (!pick(4) && parts[i].layer == parts[i + 1].layer && parts[i].replaces < 0)
			parts[i + 1].replaces = (int32_t)i;
	}
	for (size_t i = 0; i + 1 < count; i++) {
		if (parts[i].replaces >= 0 && parts[i + 1].replaces == (int32_t)i)
			parts[i + 1].replaces = -1;
	}
	return count;
}

static void compare(const struct fw_outcome *outcome, const struct result *result)
{
	assert_int_equal(outcome->verdict, result->verdict);
	assert_int_equal(outcome->part, result->part);
	assert_int_equal(outcome->rule, result->rule);
	assert_int_equal(outcome->isolated_by, result->isolated_by);
}

static void check_cell(const struct fw_part *parts, size_t count)
{
	bool e[PARTS_MAX], promoted[PARTS_MAX], alone[PARTS_MAX];
	struct fw_evaluation evaluation;
	size_t flips = fw_layers_evaluate(parts, count, &evaluation, alone), expected = 0;
	struct result verdict, pending;

	for (size_t i = 0; i < count; i++) {
		e[i] = !(parts[i].flags & FW_PART_AUDIT);
		for (size_t k = 0; k < count; k++)
			e[i] &= parts[k].replaces != (int32_t)i || (parts[k].flags & FW_PART_AUDIT);
		promoted[i] = e[i] || (parts[i].flags & FW_PART_AUDIT);
	}
	for (size_t k = 0; k < count; k++) {
		for (size_t i = 0; i < count; i++)
			promoted[i] &= parts[k].replaces != (int32_t)i;
	}
	verdict = naive(parts, count, e);
	pending = naive(parts, count, promoted);
	compare(&evaluation.verdict, &verdict);
	compare(&evaluation.pending, &pending);
	for (size_t a = 0; a < count; a++) {
		bool with[PARTS_MAX];
		struct result result;

		memcpy(with, e, sizeof(with));
		with[a] = true;
		if (parts[a].replaces >= 0)
			with[parts[a].replaces] = false;
		result = naive(parts, count, with);
		assert_int_equal(alone[a], (parts[a].flags & FW_PART_AUDIT) &&
						   (result.verdict == FW_VERDICT_ALLOW) !=
							   (verdict.verdict == FW_VERDICT_ALLOW));
		expected += alone[a];
	}
	assert_int_equal(flips, expected);
}

static void test_clever_walk_is_the_naive_one(void **state)
{
	struct fw_part parts[PARTS_MAX];

	(void)state;
	for (int i = 0; i < 600000; i++) {
		size_t count = make_parts(parts);

		fw_layers_members(parts, count);
		check_cell(parts, count);
	}
}

/* Two enforced objects that replace each other: both stay, the pod is not opened. */
static void test_circle_of_replacements_stays_closed(void **state)
{
	struct fw_part parts[2] = {
		{.layer = FW_LAYER_APPLICATION,
		 .flags = FW_PART_ISOLATES,
		 .replaces = 1,
		 .rule = -1},
		{.layer = FW_LAYER_APPLICATION,
		 .flags = FW_PART_ISOLATES,
		 .replaces = 0,
		 .rule = -1},
	};
	struct fw_evaluation evaluation;
	bool alone[2];

	(void)state;
	fw_layers_members(parts, 2);
	fw_layers_evaluate(parts, 2, &evaluation, alone);
	assert_int_equal(evaluation.verdict.verdict, FW_VERDICT_DENY);
	assert_int_equal(evaluation.verdict.isolated_by, 2);
	parts[1].replaces = -1; /* the control: one that replaces the other */
	fw_layers_members(parts, 2);
	fw_layers_evaluate(parts, 2, &evaluation, alone);
	assert_int_equal(evaluation.verdict.isolated_by, 1);
}

/* Vectors of an independent implementation (Python's hashlib.blake2b, digest_size=16),
 * little-endian words. */
static void check_digest(size_t length, const char *expected)
{
	struct fw_hasher hasher;
	struct fw_digest digest;
	char text[33];

	fw_hasher_init(&hasher);
	for (size_t i = 0; i < length; i++) {
		uint8_t byte = (uint8_t)i;

		fw_hasher_bytes(&hasher, &byte, 1);
	}
	digest = fw_hasher_done(&hasher);
	for (int i = 0; i < 16; i++) {
		uint64_t word = i < 8 ? digest.a : digest.b;

		(void)snprintf(text + i * 2, 3, "%02x", (unsigned int)(word >> i % 8 * 8 & 0xff));
	}
	assert_string_equal(text, expected);
}

static void test_digest_is_blake2b(void **state)
{
	(void)state;
	check_digest(0, "cae66941d9efbd404e4d88758ea67670");
	check_digest(3, "a75c0b0d97360c1ba783496eb6a0395a");
	check_digest(128, "a74787004ef589e31149183900d0294a");
	check_digest(129, "aaf1b0371f6d4ee49ee4fb5ddd9c49ef");
	check_digest(1000, "978a3f8b45508a42fe7f0f99caf2c423");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_layer_is_missing),
		cmocka_unit_test(test_clever_walk_is_the_naive_one),
		cmocka_unit_test(test_circle_of_replacements_stays_closed),
		cmocka_unit_test(test_digest_is_blake2b),
	};

	return cmocka_run_group_tests_name("compile: layers", tests, NULL, NULL);
}
