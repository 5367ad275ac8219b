/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libbpf's messages. In: what libbpf would print. Out: the last warning of this thread, on one
 * line, for error texts; of a verifier log its end, where the reason stands. Never prints.
 */
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "loader/inside.h"

#define WORDS	 300	  /* kept of one warning */
#define LOG_TAIL "-- END" /* how libbpf closes a verifier log */

static _Thread_local char last[WORDS + 3];
static _Thread_local bool
	from_verifier; /* a verifier's reason is not overwritten by what follows from it */

static void keep(const char *text, size_t len)
{
	size_t skip = len > WORDS ? len - WORDS : 0, used = 2;

	memcpy(last, ": ", 2);
	for (size_t i = skip; i < len && used < sizeof(last) - 1; i++)
		last[used++] = text[i] == '\n' ? ' ' : text[i];
	while (used > 2 && last[used - 1] == ' ')
		used--;
	last[used] = '\0';
}

__attribute__((format(printf, 2, 0))) static int listen_to(enum libbpf_print_level level,
							   const char *format, va_list arguments)
{
	_cleanup_free_ char *text = NULL;
	const char *end;
	bool verifier;

	if (level != LIBBPF_WARN || from_verifier)
		return 0;
	if (vasprintf(&text, format, arguments) < 0) {
		text = NULL;
		return 0;
	}
	verifier = strstr(text, "BEGIN PROG LOAD LOG");
	end = verifier ? strstr(text, LOG_TAIL) : NULL;
	keep(text, end ? (size_t)(end - text) : strlen(text));
	from_verifier = verifier;
	return 0;
}

void fw_quiet_begin(void)
{
	last[0] = '\0';
	from_verifier = false;
	(void)libbpf_set_print(listen_to);
}

const char *fw_quiet_words(void)
{
	return last;
}
