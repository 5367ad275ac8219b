/* SPDX-License-Identifier: Apache-2.0 */
/* Tables (libsmartcols), JSON, YAML and messages; see output.h. */
#include "output.h"

#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client.h"
#include "yaml.h"

#define FLAGS_MAX 8u

int fw_fail(enum fw_exit code, const char *command, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)fprintf(stderr, "fwctl%s%s: ", command ? " " : "", command ? command : "");
	for (char *line = text, *next; line; line = next) {
		struct fw_buf buf;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		fw_buf_init(&buf, 8192);
		(void)fw_buf_append_escaped(&buf, line);
		(void)fprintf(stderr, "%s\n", buf.data ? buf.data : "");
		fw_buf_done(&buf);
	}
	return code;
}

int fw_getopt(int argc, char **argv, const char *options, const struct option *long_options,
	      int *ret_index)
{
	char *command = argv[0], name[32];
	int option;

	(void)snprintf(name, sizeof(name), "fwctl %s", command);
	argv[0] = name;
	option = getopt_long(argc, argv, options, long_options, ret_index);
	argv[0] = command;
	return option;
}

bool fw_color_wanted(const char *mode)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (mode && strcmp(mode, "auto") != 0)
		return !strcmp(mode, "always");
	return !(no && *no) && isatty(STDOUT_FILENO) && !(term && !strcmp(term, "dumb"));
}

unsigned int fw_columns(void)
{
	const char *text = getenv("COLUMNS");
	unsigned long columns = 0;
	struct winsize size;

	if (text && *text >= '0' && *text <= '9')
		columns = strtoul(text, NULL, 10);
	else if (isatty(STDOUT_FILENO) && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		columns = size.ws_col ? size.ws_col : 80;
	if (!columns || columns > 10000)
		return 0;
	return columns < 40 ? 40 : (unsigned int)columns;
}

int fw_common_print(const struct fw_common *common, const cJSON *answer)
{
	char *text;

	if (common->form == FW_FORM_YAML)
		return fw_yaml_print(answer, stdout) < 0 ? FW_EXIT_FAILURE : FW_EXIT_OK;
	text = cJSON_Print(answer);
	if (!text)
		return FW_EXIT_FAILURE;
	(void)printf("%s\n", text);
	cJSON_free(text);
	return FW_EXIT_OK;
}

int fw_common_ask(int argc, char **argv, const char *request, cJSON **ret_answer)
{
	struct fw_err err = {""};
	enum fw_exit code;

	if (optind < argc)
		return fw_fail(FW_EXIT_USAGE, argv[0], "takes no argument: %s", argv[optind]);
	code = fw_client_ask(request, ret_answer, &err);
	return code ? fw_fail(code, argv[0], "%s", err.text) : -1;
}

int fw_common_color(struct fw_common *common, const char *value)
{
	if (strcmp(value, "auto") != 0 && strcmp(value, "always") != 0 &&
	    strcmp(value, "never") != 0)
		return fw_fail(FW_EXIT_USAGE, NULL,
			       "--color: \"%s\" is none of auto, always, never", value);
	common->color = value;
	return -1;
}

static int common_form(const char *command, struct fw_common *common)
{
	static const char *const forms[] = {"table", "json", "yaml"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (!strcmp(optarg, forms[i])) {
			common->form = (enum fw_form)i;
			return -1;
		}
	}
	return fw_fail(FW_EXIT_USAGE, command, "-o: \"%s\" is none of table, json, yaml", optarg);
}

static int common_option(int option, const char *command, const char *help,
			 struct fw_common *common)
{
	switch (option) {
	case 'o':
		return common_form(command, common);
	case FW_OPTION_SERVER:
		fw_client_set_server(optarg);
		return -1;
	case FW_OPTION_COLOR:
		return fw_common_color(common, optarg);
	case 'h':
		(void)fputs(help, stdout);
		return FW_EXIT_OK;
	default: /* getopt has said what */
		return fw_fail(FW_EXIT_USAGE, command, "see `fwctl %s --help`", command);
	}
}

int fw_common_parse(int argc, char **argv, const char *help, const char *const *flags,
		    unsigned int *ret_flags, struct fw_common *ret_common)
{
	struct option options[4 + FLAGS_MAX + 1] = {FW_COMMON_LONG};
	int option, code = -1;

	*ret_common = (struct fw_common){.color = "auto"};
	*ret_flags = 0;
	for (size_t i = 0; flags && flags[i] && i < FLAGS_MAX; i++)
		options[4 + i] =
			(struct option){flags[i], no_argument, NULL, FW_OPTION_OWN + (int)i};
	while (code < 0 && (option = fw_getopt(argc, argv, FW_COMMON_SHORT, options, NULL)) >= 0) {
		if (option >= FW_OPTION_OWN)
			*ret_flags |= 1u << (option - FW_OPTION_OWN);
		else
			code = common_option(option, argv[0], help, ret_common);
	}
	return code;
}

struct fw_table {
	struct libscols_table *table;
	struct libscols_line *line;
	size_t columns, next;
};

int fw_table_new(const struct fw_column *columns, size_t count, struct fw_table **ret_table)
{
	_cleanup_(fw_table_free) struct fw_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->table = scols_new_table();
	if (!table->table)
		return -ENOMEM;
	table->columns = count;
	(void)scols_table_enable_noencoding(table->table, 1); /* what is shown is escaped already */
	if (fw_columns()) {
		(void)scols_table_set_termforce(table->table, SCOLS_TERMFORCE_ALWAYS);
		(void)scols_table_set_termwidth(table->table, fw_columns());
	}
	for (size_t i = 0; i < count; i++) {
		int narrow = i + 1 < count ? SCOLS_FL_TRUNC : SCOLS_FL_WRAP;
		int flags = (columns[i].right ? SCOLS_FL_RIGHT : 0) |
			    (columns[i].truncate ? narrow : 0);

		if (!scols_table_new_column(table->table, columns[i].name, 0, flags))
			return -ENOMEM;
	}
	*ret_table = TAKE_PTR(table);
	return 0;
}

void fw_table_free(struct fw_table **table)
{
	if (!*table)
		return;
	scols_unref_table((*table)->table);
	free(*table);
	*table = NULL;
}

void fw_table_add(struct fw_table *table, const char *format, ...)
{
	char text[1024];
	struct fw_buf buf;
	va_list args;

	if (!table->next)
		table->line = scols_table_new_line(table->table, NULL);
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fw_buf_init(&buf, 8192);
	(void)fw_buf_append_escaped(&buf, text);
	if (table->line)
		(void)scols_line_set_data(table->line, table->next, buf.data ? buf.data : "");
	fw_buf_done(&buf);
	table->next = (table->next + 1) % table->columns;
}

int fw_table_print(struct fw_table *table)
{
	char *text = NULL;
	int r;

	if (!scols_table_get_nlines(table->table))
		return 0;
	r = scols_print_table_to_string(table->table, &text);
	if (r || !text)
		return r < 0 ? r : -ENOMEM;
	for (char *line = text, *next; *line;
	     line = next) { /* the last column's padding is no content */
		size_t len = strcspn(line, "\n");

		next = line + len + (line[len] == '\n');
		while (len && line[len - 1] == ' ')
			len--;
		(void)printf("%.*s\n", (int)len, line);
	}
	free(text);
	return 0;
}
