// SPDX-License-Identifier: Apache-2.0
/*
 * Building answers. In: names and values. Out: cJSON trees. One flag tells of every failed addition
 * at once.
 */
#include <stdio.h>
#include <time.h>

#include "ctl/inside.h"

cJSON *fw_answer_new(void)
{
	cJSON *answer = cJSON_CreateObject();

	if (answer && !cJSON_AddBoolToObject(answer, "ok", true)) {
		cJSON_Delete(answer);
		return NULL;
	}
	return answer;
}

const char *fw_answer_time(uint64_t ns, char *text)
{
	const time_t seconds = (time_t)(ns / 1000000000u);
	struct tm tm;
	size_t len;

	if (!gmtime_r(&seconds, &tm))
		return "";
	len = strftime(text, FW_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + len, FW_TIME_TEXT - len, ".%09uZ", (unsigned int)(ns % 1000000000u));
	return text;
}

void fw_add_text(cJSON *object, const char *name, const char *text, bool *failed)
{
	if (!*failed && !cJSON_AddStringToObject(object, name, text ? text : ""))
		*failed = true;
}

void fw_add_number(cJSON *object, const char *name, double number, bool *failed)
{
	if (!*failed && !cJSON_AddNumberToObject(object, name, number))
		*failed = true;
}

void fw_add_bool(cJSON *object, const char *name, bool value, bool *failed)
{
	if (!*failed && !cJSON_AddBoolToObject(object, name, value))
		*failed = true;
}

cJSON *fw_add_object(cJSON *object, const char *name, bool *failed)
{
	cJSON *added = *failed ? NULL : cJSON_AddObjectToObject(object, name);

	*failed |= !added;
	return added;
}

cJSON *fw_add_list(cJSON *object, const char *name, bool *failed)
{
	cJSON *added = *failed ? NULL : cJSON_AddArrayToObject(object, name);

	*failed |= !added;
	return added;
}

cJSON *fw_add_item(cJSON *list, bool *failed)
{
	cJSON *item = *failed ? NULL : cJSON_CreateObject();

	if (!item || !cJSON_AddItemToArray(list, item)) {
		cJSON_Delete(item);
		*failed = true;
		return NULL;
	}
	return item;
}
