/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kubeconfig. In: a YAML or JSON file as kubectl reads it. Out: the server and the user of one
 * context. Refuses what it does not do (exec, auth-provider, passwords) by name, and a server that
 * cannot be checked unless that is asked for.
 */
#include "kube/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/field.h"
#include "api/tree.h"
#include "base/cleanup.h"

#ifndef FILE_MAX /* tests/fuzz_kubeconfig.c makes do with less */
#define FILE_MAX (4u << 20)
#endif

struct reading {
	const char *path, *context;
	bool insecure;
	struct fw_kube_config *config;
	struct fw_decoder decoder;
	bool done;
};

static int read_text(const char *path, char **ret_text, size_t *ret_len, struct fw_err *err)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	_cleanup_free_ char *text = malloc(FILE_MAX);
	size_t len;

	if (!file || !text)
		return fw_err_errno(err, file ? -ENOMEM : -errno, "%s", path);
	len = fread(text, 1, FILE_MAX, file);
	if (ferror(file) || len == FILE_MAX)
		return fw_err_errno(err, len == FILE_MAX ? -EFBIG : -EIO, "%s", path);
	*ret_text = TAKE_PTR(text);
	*ret_len = len;
	return 0;
}

/* The body of the entry of that name in the list: contexts[].context, clusters[].cluster. */
static int find_entry(struct fw_decoder *d, const struct fw_field *document, const char *list_name,
		      const char *body_name, const char *name, struct fw_field *list,
		      struct fw_field *element, struct fw_field *ret_body)
{
	size_t count, i = 0;
	int r = fw_member_list(d, document, list_name, list, &count);

	if (r)
		return r;
	for (const cJSON *item = count ? list->json->child : NULL; item; item = item->next) {
		const char *found = "";

		*element = fw_field_element(list, item, i++);
		r = fw_field_object(d, element);
		if (!r)
			r = fw_member_string(d, element, "name", &found);
		if (r)
			return r;
		if (strcmp(found, name) != 0)
			continue;
		r = fw_member_object(d, element, body_name, ret_body);
		return r == -ENOENT ? fw_field_missing(d, element, body_name) : r;
	}
	return fw_err_set(d->err, -EINVAL, "%s: none is named \"%.100s\"", list_name, name);
}

/* A path beside the kubeconfig, as kubectl reads it. */
static int make_path(const char *kubeconfig, const char *path, char **ret_path)
{
	const char *slash = strrchr(kubeconfig, '/');
	int len = slash && path[0] != '/' ? (int)(slash - kubeconfig) + 1 : 0;

	if (asprintf(ret_path, "%.*s%s", len, kubeconfig, path) < 0) {
		*ret_path = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* NAME-data holds it in base64 and wins over NAME, a file. */
static int read_proof(struct reading *reading, const struct fw_field *body, const char *name,
		      struct fw_proof *ret_proof)
{
	const char *data = "", *file = "";
	char data_name[64];
	struct fw_field field;
	int r;

	(void)snprintf(data_name, sizeof(data_name), "%s-data", name);
	r = fw_member_string(&reading->decoder, body, data_name, &data);
	if (!r)
		r = fw_member_string(&reading->decoder, body, name, &file);
	if (r)
		return r;
	if (*data && fw_field_get(body, data_name, &field)) {
		r = fw_base64_decode(data, &ret_proof->now);
		return r == -EINVAL ? fw_field_fail(&reading->decoder, &field, "not base64") : r;
	}
	return *file ? make_path(reading->path, file, &ret_proof->file) : 0;
}

static int check_server(struct reading *reading, const struct fw_field *cluster)
{
	struct fw_kube_config *config = reading->config;
	struct fw_decoder *d = &reading->decoder;
	bool plain = !strncmp(config->server, "http://", 7), skip = false;
	size_t len = strlen(config->server);
	struct fw_field field;
	int r = fw_member_bool(d, cluster, "insecure-skip-tls-verify", &skip);

	if (r)
		return r;
	if (!fw_field_get(cluster, "server", &field))
		return fw_field_missing(d, cluster, "server");
	if (!plain && strncmp(config->server, "https://", 8) != 0)
		return fw_field_fail(d, &field, "an https:// address was expected");
	for (size_t i = 0; i < len; i++)
		if (config->server[i] <= ' ' || config->server[i] > '~' ||
		    strchr("?#@", config->server[i]))
			return fw_field_fail(d, &field, "an address without ?, # and @");
	if (len && config->server[len - 1] == '/')
		config->server[len - 1] = '\0';
	config->insecure = plain || skip;
	if (!config->insecure || reading->insecure)
		return 0;
	if (skip)
		(void)fw_field_get(cluster, "insecure-skip-tls-verify", &field);
	(void)fw_field_fail(d, &field,
			    "anyone could answer for this server: --api-insecure "
			    "allows it");
	return -EPERM;
}

static int read_cluster(struct reading *reading, const struct fw_field *document, const char *name)
{
	struct fw_kube_config *config = reading->config;
	struct fw_decoder *d = &reading->decoder;
	struct fw_field list, element, cluster;
	int r = find_entry(d, document, "clusters", "cluster", name, &list, &element, &cluster);

	if (!r)
		r = fw_member_copy(d, &cluster, "server", &config->server);
	if (!r && !*config->server)
		return fw_field_missing(d, &cluster, "server");
	if (!r)
		r = fw_member_copy(d, &cluster, "tls-server-name", &config->server_name);
	if (!r)
		r = fw_member_copy(d, &cluster, "proxy-url", &config->proxy);
	if (!r)
		r = check_server(reading, &cluster);
	return r ? r : read_proof(reading, &cluster, "certificate-authority", &config->ca);
}

/* token wins over tokenFile only where there is no file, as in client-go. */
static int read_token(struct reading *reading, const struct fw_field *user)
{
	struct fw_proof *proof = &reading->config->token;
	const char *file = "", *token = "";
	struct fw_field field;
	int r = fw_member_string(&reading->decoder, user, "tokenFile", &file);

	if (!r)
		r = fw_member_string(&reading->decoder, user, "token", &token);
	if (r)
		return r;
	if (*file)
		return make_path(reading->path, file, &proof->file);
	if (!*token || !fw_field_get(user, "token", &field))
		return 0;
	for (const char *c = token; *c; c++)
		if (*c <= ' ' || *c > '~')
			return fw_field_fail(&reading->decoder, &field, "not a token");
	proof->now.data = strdup(token);
	proof->now.len = strlen(token);
	return proof->now.data ? 0 : -ENOMEM;
}

static int read_user(struct reading *reading, const struct fw_field *document, const char *name)
{
	static const char *const refused[] = {
		"exec", "auth-provider", "username",  "password",
		"as",	"as-uid",	 "as-groups", "as-user-extra"};
	struct fw_kube_config *config = reading->config;
	struct fw_decoder *d = &reading->decoder;
	struct fw_field list, element, user, field;
	int r = find_entry(d, document, "users", "user", name, &list, &element, &user);

	if (r)
		return r;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (fw_field_get(&user, refused[i], &field))
			return fw_field_fail(d, &field,
					     "is not supported: a token, a token file or a client "
					     "certificate is");
	r = read_token(reading, &user);
	if (!r)
		r = read_proof(reading, &user, "client-certificate", &config->cert);
	if (!r)
		r = read_proof(reading, &user, "client-key", &config->key);
	if (!r && (config->cert.file || config->cert.now.data) &&
	    !(config->key.file || config->key.now.data))
		r = fw_field_missing(d, &user, "client-key");
	return r;
}

static int read_document(const cJSON *tree, unsigned int line, void *context)
{
	struct reading *reading = context;
	struct fw_decoder *d = &reading->decoder;
	struct fw_field document = {.json = tree}, list, element, body;
	const char *name = reading->context, *cluster = "", *user = "";
	int r = fw_field_object(d, &document);

	(void)line;
	reading->done = true;
	if (!r && !name)
		r = fw_member_string(d, &document, "current-context", &name);
	if (!r && (!name || !*name))
		r = fw_field_missing(d, &document, "current-context");
	if (!r)
		r = find_entry(d, &document, "contexts", "context", name, &list, &element, &body);
	if (!r)
		r = fw_member_string(d, &body, "cluster", &cluster);
	if (!r)
		r = fw_member_string(d, &body, "user", &user);
	if (!r)
		r = read_cluster(reading, &document, cluster);
	return r || !*user ? r : read_user(reading, &document, user);
}

int fw_kube_config_file(const char *path, const char *context, bool insecure,
			struct fw_kube_config *ret_config, struct fw_err *err)
{
	_cleanup_(fw_kube_config_done) struct fw_kube_config config = {0};
	struct fw_err why = {""};
	struct reading reading = {.path = path,
				  .context = context,
				  .insecure = insecure,
				  .config = &config,
				  .decoder = {.err = &why}};
	const struct fw_tree_handler handler = {.document = read_document, .context = &reading};
	struct fw_tree_budget budget = {.most = 100000};
	_cleanup_free_ char *text = NULL;
	unsigned int line = 0;
	size_t len = 0;
	int r = read_text(path, &text, &len, err);

	if (r)
		return r;
	r = fw_tree_yaml(text, len, 1, &budget, &handler, &line, &why);
	explicit_bzero(text, len);
	if (!r && !reading.done)
		r = fw_err_set(&why, -EINVAL, "is empty");
	if (!r) {
		r = fw_kube_config_refresh(&config, &why);
		r = r == -EAGAIN ? 0 : r;
	}
	if (r == -ENOMEM)
		(void)fw_err_set(&why, r, "out of memory");
	if (r)
		return fw_err_set(err, r, "%s: %.400s", path, why.text);
	*ret_config = config;
	config = (struct fw_kube_config){0};
	return 0;
}
