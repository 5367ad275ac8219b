/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a kubeconfig, and the files that it names. In: the text of the kubeconfig, NUL, what
 * every file that it names holds. Out: nothing; a crash, a leak or a broken promise of config.h
 * ends it. Never opens a file that the input names. With FW_PLANTED_BUG base64 gets too little
 * room.
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
	size_t len = end ? (size_t)(end - data) : size;
	char path[64];
	int fd = make_file(data, len);

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	named_data = end ? end + 1 : data;
	named_size = end ? size - len - 1 : 0;
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
