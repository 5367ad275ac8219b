/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a kubeconfig, and the files that it names. In: a byte that picks a frame, and what
 * goes into it or, for some, what every file that is named holds. Out: nothing; a crash, a leak or
 * a broken promise of config.h ends it. Never opens a file that the input names. With
 * FW_PLANTED_BUG a token's file may not be empty.
 */
#include <assert.h>
#include <fcntl.h>
#include <sys/mman.h>

/* whole files are read into room of this size: little of it makes many runs */
#define FILE_MAX  65536u
#define PROOF_MAX 16384u

static int fuzz_open(const char *path, int flags);

#define open fuzz_open
#include "kube/config.c"
#undef open
#include "kube/kubeconfig.c"

/* What stands around the input, so that the depths are reached without seeds. */
#define HEAD                                                                                       \
	"current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"              \
	"clusters: [{name: k, cluster: {server: 'https://h'"
#define USER "}}]\nusers: [{name: u, user: {"
static const struct frame {
	const char *head, *tail;
	bool named; /* the input is what the files hold */
} frames[] = {
	{"", "", false},
	{HEAD USER "tokenFile: t", "}}]\n", true},
	{HEAD ", certificate-authority: f" USER "client-certificate: f, client-key: /f", "}}]\n",
	 true},
	{HEAD ", certificate-authority-data: ", USER "}}]\n", false},
	{HEAD USER "token: \"", "\"}}]\n", false},
	{HEAD USER, "}}]\n", false},
	{"current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\nclusters: "
	 "[{name: k, cluster: {server: \"",
	 "\"}}]\n", false},
};

static const uint8_t *named_data;
static size_t named_size;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int make_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size && !lseek(fd, 0, SEEK_SET));
	return fd;
}

static int fuzz_open(const char *path, int flags)
{
	(void)flags;
	if (strstr(path, "gone")) {
		errno = ENOENT;
		return -1;
	}
	return make_file(named_data, named_size);
}

static void check_config(const struct fw_kube_config *config, bool insecure)
{
	const struct fw_proof *token = &config->token;

	assert(config->server && !strncmp(config->server, "http", 4));
	assert(insecure || !strncmp(config->server, "https://", 8));
	assert(insecure || !config->insecure);
	for (const char *c = config->server; *c; c++)
		assert(*c > ' ' && *c <= '~');
	for (size_t i = 0; i < token->now.len; i++)
		assert(token->now.data[i] > ' ' && token->now.data[i] <= '~');
	assert(!(config->cert.file || config->cert.now.data) || config->key.file ||
	       config->key.now.data);
}

/* The kubeconfig of the frame, in a file of its own. */
static int make_kubeconfig(const struct frame *frame, const uint8_t *data, size_t size)
{
	const size_t head = strlen(frame->head), tail = strlen(frame->tail);
	uint8_t *text = malloc(head + size + tail + 1);
	int fd;

	assert(text);
	memcpy(text, frame->head, head);
	if (size)
		memcpy(text + head, data, size);
	memcpy(text + head + size, frame->tail, tail);
	fd = make_file(text, head + size + tail);
	free(text);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t token[] = "token\n";
	const struct frame *frame;
	char path[64];
	int fd;

	if (!size)
		return 0;
	frame = &frames[data[0] % (sizeof(frames) / sizeof(frames[0]))];
	named_data = frame->named ? data + 1 : token;
	named_size = frame->named ? size - 1 : sizeof(token) - 1;
	fd = make_kubeconfig(frame, data + 1, frame->named ? 0 : size - 1);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (int insecure = 0; insecure < 2; insecure++) {
		struct fw_kube_config config = {0};
		struct fw_err err = {""};

		if (fw_kube_config_file(path, NULL, insecure, &config, &err)) {
			assert(err.text[0]);
			continue;
		}
		check_config(&config, insecure);
		(void)fw_kube_config_refresh(&config, &err);
		check_config(&config, insecure);
		fw_kube_config_done(&config);
	}
	(void)close(fd);
	return 0;
}
