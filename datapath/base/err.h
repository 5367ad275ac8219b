/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a failure, for a person. In: what failed, innermost first. Out: one line, prefixed on
 * its way up: "NetworkPolicy shop/api: rule 2: port 70000: out of range". Lives on the caller's
 * stack; never allocates.
 */
#ifndef FW_BASE_ERR_H
#define FW_BASE_ERR_H

#define FW_ERR_TEXT 512

struct fw_err {
	char text[FW_ERR_TEXT]; /* NUL-terminated, empty when nothing failed; longer texts are cut
				   at the end */
};

#define FW_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Replaces the text; returns `code` (a negative errno) so that callers can return it. err may be
 * NULL. */
int fw_err_set(struct fw_err *err, int code, const char *format, ...) FW_PRINTF(3, 4);

/* Puts "prefix: " in front of the text. err may be NULL. */
void fw_err_prefix(struct fw_err *err, const char *format, ...) FW_PRINTF(2, 3);

/* As fw_err_set() with ": strerror(-code)" behind the text. */
int fw_err_errno(struct fw_err *err, int code, const char *format, ...) FW_PRINTF(3, 4);

#endif
