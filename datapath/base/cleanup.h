/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership that is visible at the declaration: a variable marked _cleanup_(f) is destroyed when it
 * leaves its scope; TAKE_PTR and TAKE_FD move what it owns out. Destructors take `T **` and accept
 * NULL.
 */
#ifndef FW_BASE_CLEANUP_H
#define FW_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _cleanup_free_	    _cleanup_(fw_free_ptr)
#define _cleanup_close_	    _cleanup_(fw_close_fd)
#define _cleanup_fclose_    _cleanup_(fw_fclose_ptr)

#define TAKE_PTR(pointer)                                                                          \
	({                                                                                         \
		__typeof__(pointer) *taken_from_ = &(pointer);                                     \
		__typeof__(pointer) taken_ = *taken_from_;                                         \
		*taken_from_ = NULL;                                                               \
		taken_;                                                                            \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int *taken_from_ = &(fd);                                                          \
		int taken_ = *taken_from_;                                                         \
		*taken_from_ = -1;                                                                 \
		taken_;                                                                            \
	})

static inline void fw_free_ptr(void *pointer)
{
	free(*(void **)pointer);
}

static inline void fw_close_fd(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void fw_fclose_ptr(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

#endif
