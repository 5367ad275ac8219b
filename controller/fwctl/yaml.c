/* SPDX-License-Identifier: Apache-2.0 */
/* A tree as events of libyaml's emitter; see yaml.h. */
#include "yaml.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#define LINE_WIDTH 100
#define DEPTH_MAX  64u

static bool scalar(yaml_emitter_t *emitter, const char *text, bool quoted)
{
	yaml_event_t event;

	return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
					    (int)strlen(text), !quoted, quoted,
					    quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
						   : YAML_PLAIN_SCALAR_STYLE) &&
	       yaml_emitter_emit(emitter, &event);
}

/* Plain only where no reader can take it for a number, a word of YAML's own or a structure. */
static bool is_plain(const char *text)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on",
					    "off",  "null",  "y",   "n"};

	if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z')))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcasecmp(text, words[i]))
			return false;
	}
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "-_./ ")] == '\0' &&
	       text[strlen(text) - 1] != ' ';
}

static bool number(yaml_emitter_t *emitter, const cJSON *item)
{
	char *text = cJSON_PrintUnformatted(item);
	bool done = text && scalar(emitter, text, false);

	cJSON_free(text);
	return done;
}

static bool value(yaml_emitter_t *emitter, const cJSON *item, unsigned int depth);

static bool object(yaml_emitter_t *emitter, const cJSON *item, unsigned int depth)
{
	const cJSON *child;
	yaml_event_t event;

	if (!yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
						 item->child ? YAML_BLOCK_MAPPING_STYLE
							     : YAML_FLOW_MAPPING_STYLE) ||
	    !yaml_emitter_emit(emitter, &event))
		return false;
	cJSON_ArrayForEach(child, item) {
		if (!scalar(emitter, child->string, !is_plain(child->string)) ||
		    !value(emitter, child, depth))
			return false;
	}
	return yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool array(yaml_emitter_t *emitter, const cJSON *item, unsigned int depth)
{
	const cJSON *child;
	yaml_event_t event;

	if (!yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
						  item->child ? YAML_BLOCK_SEQUENCE_STYLE
							      : YAML_FLOW_SEQUENCE_STYLE) ||
	    !yaml_emitter_emit(emitter, &event))
		return false;
	cJSON_ArrayForEach(child, item) {
		if (!value(emitter, child, depth))
			return false;
	}
	return yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool value(yaml_emitter_t *emitter, const cJSON *item, unsigned int depth)
{
	if (depth >= DEPTH_MAX)
		return false;
	if (cJSON_IsObject(item))
		return object(emitter, item, depth + 1);
	if (cJSON_IsArray(item))
		return array(emitter, item, depth + 1);
	if (cJSON_IsString(item))
		return scalar(emitter, item->valuestring, !is_plain(item->valuestring));
	return number(emitter, item); /* true, false and null are written as JSON does */
}

int fw_yaml_print(const cJSON *tree, FILE *file)
{
	yaml_emitter_t emitter;
	yaml_event_t event;
	bool done;

	if (!yaml_emitter_initialize(&emitter))
		return -ENOMEM;
	yaml_emitter_set_output_file(&emitter, file);
	yaml_emitter_set_width(&emitter, LINE_WIDTH);
	done = yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
	       yaml_emitter_emit(&emitter, &event) &&
	       yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
	       yaml_emitter_emit(&emitter, &event) && value(&emitter, tree, 0) &&
	       yaml_document_end_event_initialize(&event, 1) &&
	       yaml_emitter_emit(&emitter, &event) && yaml_stream_end_event_initialize(&event) &&
	       yaml_emitter_emit(&emitter, &event) && yaml_emitter_flush(&emitter);
	yaml_emitter_delete(&emitter);
	return done ? 0 : -EIO;
}
