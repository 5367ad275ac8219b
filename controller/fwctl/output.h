/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every command prints the same way. In: names as the daemon knows them. Out: tables for
 * people on standard output, JSON for programs, messages on standard error; every name escaped.
 */
#ifndef FW_FWCTL_OUTPUT_H
#define FW_FWCTL_OUTPUT_H

#include <cjson/cJSON.h>
#include <getopt.h>

#include "base/buf.h"
#include "commands.h"

/* Options that every command of the daemon's has: -o, --server, --color, -h. */
enum fw_form { FW_FORM_TABLE, FW_FORM_JSON, FW_FORM_YAML };

struct fw_common {
	enum fw_form form;
	const char *color; /* auto, always, never */
};

#define FW_COMMON_SHORT "o:h"
/* versions of clang-format disagree about braces in macros */
/* clang-format off */
#define FW_COMMON_LONG                                                                             \
	{"output", required_argument, NULL, 'o'},                                                  \
	{"server", required_argument, NULL, FW_OPTION_SERVER},                                     \
	{"color", required_argument, NULL, FW_OPTION_COLOR},                                       \
	{"help", no_argument, NULL, 'h'}
/* clang-format on */

enum { FW_OPTION_SERVER = 256, FW_OPTION_COLOR, FW_OPTION_OWN };

/*
 * Parses a command's options where it has but the common ones and `flags` (long names without a
 * value, NULL ends; ret_flags gets a bit for each). -1: go on, arguments from optind; else an exit
 * code, everything was said.
 */
int fw_common_parse(int argc, char **argv, const char *help, const char *const *flags,
		    unsigned int *ret_flags, struct fw_common *ret_common);
int fw_common_color(struct fw_common *common, const char *value); /* -1, or an exit code */

/* getopt_long(3), whose own messages begin with "fwctl flows: " as all others do. */
int fw_getopt(int argc, char **argv, const char *options, const struct option *long_options,
	      int *ret_index);
/* "fwctl flows: " and a text on standard error; returns the code. */
int fw_fail(enum fw_exit code, const char *command, const char *format, ...) FW_PRINTF(3, 4);
bool fw_color_wanted(const char *mode);
unsigned int fw_columns(void); /* of the terminal or $COLUMNS, at least 40; 0: not a terminal */
/* For programs: as JSON or YAML. An exit code. */
int fw_common_print(const struct fw_common *common, const cJSON *answer);
/* Asks podwalld, of a command that takes no arguments. -1 with the answer, which the caller
 * deletes; else an exit code, everything was said. */
int fw_common_ask(int argc, char **argv, const char *request, cJSON **ret_answer);

/* A table of text cells. `truncate`: this column gives way when the terminal is too narrow; the
 * last one goes on in the next line. */
struct fw_column {
	const char *name;
	bool right;
	bool truncate;
};

struct fw_table;
int fw_table_new(const struct fw_column *columns, size_t count, struct fw_table **ret_table);
void fw_table_free(struct fw_table **table);
/* The next cell, escaped and copied; a row ends by itself. */
void fw_table_add(struct fw_table *table, const char *format, ...) FW_PRINTF(2, 3);
int fw_table_print(struct fw_table *table);

#endif
