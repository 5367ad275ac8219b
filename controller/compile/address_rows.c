/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of address rows. In: how many, and who holds them. Out: rows in one piece. Many are a
 * mapping of their own: each compile makes new ones while the old are in use, and from malloc(3)
 * the hole that these leave would stay, as large as all rows.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "compile/tables.h"

#define MAPPED_MIN 131072u /* bytes */

struct fw_address_rows *fw_address_rows_new(size_t count)
{
	size_t size = sizeof(struct fw_address_rows) + count * sizeof(struct fw_address_row);
	bool mapped = size >= MAPPED_MIN;
	struct fw_address_rows *rows;

	if (mapped)
		rows = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	else
		rows = malloc(size);
	if (!rows || rows == MAP_FAILED)
		return NULL;
	rows->refs = 1;
	rows->mapped = mapped ? size : 0;
	return rows;
}

void fw_address_rows_drop(struct fw_address_rows *rows)
{
	if (!rows || --rows->refs)
		return;
	if (rows->mapped)
		(void)munmap(rows, rows->mapped);
	else
		free(rows);
}
