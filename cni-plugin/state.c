/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoint files: locked, written by rename, read back strictly, walked by name.
 * In: struct fw_state. Out: the same. Never follows what a file says out of the run directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "fw/abi.h"
#include "json.h"
#include "state.h"

#define FOLDER	 "endpoints"
#define LOCK	 "endpoints.lock"
#define FILE_MAX 16384
#define VERSION	 1
#define SUFFIX	 ".json"

int fw_state_make_path(const char *path, struct fw_err *err)
{
	char part[PATH_MAX];

	for (const char *slash = path; *slash;) {
		slash = strchrnul(slash + 1, '/');
		size_t len = (size_t)(slash - path);
		if (len >= sizeof(part))
			return fw_err_errno(err, -ENAMETOOLONG, "%s", path);
		memcpy(part, path, len);
		part[len] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return fw_err_errno(err, -errno, "making %s", part);
	}
	return 0;
}

/* Returns a descriptor of <run_dir>/endpoints that the caller closes, or -errno. */
static int open_folder(const char *run_dir, bool make, struct fw_err *err)
{
	char path[PATH_MAX];

	int len = snprintf(path, sizeof(path), "%s/" FOLDER, run_dir);
	if (len < 0 || (size_t)len >= sizeof(path))
		return fw_err_errno(err, -ENAMETOOLONG, "%s", run_dir);
	if (make) {
		int r = fw_state_make_path(path, err);
		if (r < 0)
			return r;
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fw_err_errno(err, -errno, "%s", path) : fd;
}

int fw_state_lock(const char *run_dir, uint64_t owner, enum fw_state_lock_how how, int *ret_lock,
		  struct fw_err *err)
{
	char path[PATH_MAX];

	_cleanup_close_ int folder = open_folder(run_dir, how == FW_STATE_MAKE, err);
	if (folder < 0)
		return folder;
	int len = snprintf(path, sizeof(path), "%s/" LOCK, run_dir);
	if (len < 0 || (size_t)len >= sizeof(path))
		return fw_err_errno(err, -ENAMETOOLONG, "%s", run_dir);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return fw_err_errno(err, -errno, "%s", path);
	/* podwalld, which need not be root, takes this lock, too */
	struct stat dir;
	if (geteuid() == 0 && stat(run_dir, &dir) == 0 && dir.st_uid != 0)
		(void)!fchown(fd, dir.st_uid, dir.st_gid);
	/* two endpoints that share the low bits only wait for each other */
	struct flock lock = {.l_type = F_WRLCK,
			     .l_whence = SEEK_SET,
			     .l_start = (off_t)(owner & 0x7fffffff),
			     .l_len = 1};
	while (fcntl(fd, how == FW_STATE_TRY ? F_OFD_SETLK : F_OFD_SETLKW, &lock) < 0)
		if (errno != EINTR)
			return fw_err_errno(err, errno == EACCES ? -EAGAIN : -errno, "locking %s",
					    path);
	*ret_lock = TAKE_FD(fd);
	return 0;
}

/* "<prefix><container id>-<ifname>.json"; returns `ret_name`, of NAME_MAX + 1 bytes: the parts were
 * checked. */
static const char *file_name(const char *prefix, const char *container_id, const char *ifname,
			     char *ret_name)
{
	char escaped[3 * FW_IFNAME_MAX + 1];
	size_t used = 0;

	for (const char *c = ifname; *c && used + 3 < sizeof(escaped); c++) {
		if (*c == '-' || *c == '%') {
			memcpy(escaped + used, *c == '-' ? "%2d" : "%25", 3);
			used += 3;
		} else {
			escaped[used++] = *c;
		}
	}
	escaped[used] = '\0';
	(void)snprintf(ret_name, NAME_MAX + 1, "%s%s-%s" SUFFIX, prefix, container_id, escaped);
	return ret_name;
}

static void add_text(cJSON *object, const char *name, const char *text, bool *failed)
{
	*failed |= !cJSON_AddStringToObject(object, name, text);
}

static void add_number(cJSON *object, const char *name, double number, bool *failed)
{
	*failed |= !cJSON_AddNumberToObject(object, name, number);
}

static void add_place(cJSON *root, const struct fw_state *state, bool *failed)
{
	char mac[18], text[FW_IP_TEXT];

	if (state->slot != FW_NO_SLOT)
		add_number(root, "slot", state->slot, failed);
	add_text(root, "hook", state->in_sandbox ? "sandbox" : "host", failed);
	add_number(root, "ifindex", state->ifindex, failed);
	add_text(root, "device", state->device, failed);
	(void)snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", state->mac[0],
		       state->mac[1], state->mac[2], state->mac[3], state->mac[4], state->mac[5]);
	add_text(root, "mac", mac, failed);
	cJSON *ips = cJSON_AddArrayToObject(root, "ips");
	*failed |= !ips;
	for (size_t i = 0; ips && i < state->ips.count; i++)
		*failed |= !cJSON_AddItemToArray(
			ips, cJSON_CreateString(fw_ip_format(&state->ips.ip[i], text)));
	add_text(root, "netns", state->netns, failed);
	add_number(root, "netnsInode", (double)state->netns_inode, failed);
}

static int format(const struct fw_state *state, char **ret_text, struct fw_err *err)
{
	_cleanup_(fw_json_free) cJSON *root = cJSON_CreateObject();
	bool failed = !root;

	add_number(root, "version", VERSION, &failed);
	add_text(root, "containerId", state->container_id, &failed);
	add_text(root, "ifname", state->ifname, &failed);
	add_text(root, "network", state->network, &failed);
	add_text(root, "nodeName", state->node_name, &failed);
	add_text(root, "namespace", state->namespace, &failed);
	add_text(root, "name", state->name, &failed);
	add_text(root, "uid", state->uid, &failed);
	add_place(root, state, &failed);
	char *text = failed ? NULL : cJSON_PrintUnformatted(root);
	if (!text)
		return fw_err_errno(err, -ENOMEM, "endpoint file");
	*ret_text = text;
	return 0;
}

int fw_state_write(const char *run_dir, const struct fw_state *state, struct fw_err *err)
{
	char fresh[NAME_MAX + 1], name[NAME_MAX + 1];
	_cleanup_free_ char *text = NULL;

	int r = format(state, &text, err);
	if (r < 0)
		return r;
	_cleanup_close_ int folder = open_folder(run_dir, true, err);
	if (folder < 0)
		return folder;
	file_name(".", state->container_id, state->ifname, fresh);
	file_name("", state->container_id, state->ifname, name);
	_cleanup_close_ int fd =
		openat(folder, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return fw_err_errno(err, -errno, "endpoint file %s/" FOLDER "/%s", run_dir, name);
	size_t len = strlen(text);
	ssize_t written = write(fd, text, len);
	if (written != (ssize_t)len || renameat(folder, fresh, folder, name) < 0) {
		r = written >= 0 && written != (ssize_t)len ? -ENOSPC : -errno;
		(void)unlinkat(folder, fresh, 0);
		return fw_err_errno(err, r, "endpoint file %s/" FOLDER "/%s", run_dir, name);
	}
	return 0;
}

/* Copies a string member that must be there and fit. */
static bool take_text(const cJSON *root, const char *name, char *field, size_t size)
{
	const char *text = fw_json_get_string(root, name);
	size_t len = text ? strlen(text) : size;

	if (len >= size)
		return false;
	memcpy(field, text, len + 1);
	return true;
}

static bool take_number(const cJSON *root, const char *name, int64_t max, int64_t *ret_number)
{
	return fw_json_integer(fw_json_get(root, name), 0, max, ret_number);
}

static bool take_mac(const cJSON *root, uint8_t *mac)
{
	const char *text = fw_json_get_string(root, "mac");
	unsigned int byte[6];
	int used = 0;

	if (!text ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3],
		   &byte[4], &byte[5], &used) != 6 ||
	    text[used])
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)byte[i];
	return true;
}

static bool take_ips(const cJSON *root, struct fw_chain_ips *ips)
{
	const cJSON *list = fw_json_get(root, "ips"), *item;

	if (!cJSON_IsArray(list))
		return false;
	cJSON_ArrayForEach(item, list) {
		const char *text = cJSON_GetStringValue(item);
		if (!text || ips->count == FW_CHAIN_IPS_MAX ||
		    fw_ip_parse(text, &ips->ip[ips->count], NULL) < 0)
			return false;
		ips->count++;
	}
	return true;
}

static bool take_place(const cJSON *root, struct fw_state *state)
{
	const char *hook = fw_json_get_string(root, "hook");
	int64_t slot = FW_NO_SLOT, ifindex, inode;

	if (!hook || (strcmp(hook, "host") != 0 && strcmp(hook, "sandbox") != 0))
		return false;
	if (fw_json_get(root, "slot") && !take_number(root, "slot", FW_ENDPOINT_SLOTS - 1, &slot))
		return false;
	if (!take_number(root, "ifindex", INT32_MAX, &ifindex) ||
	    !take_number(root, "netnsInode", 1LL << 53, &inode))
		return false;
	state->in_sandbox = !strcmp(hook, "sandbox");
	state->slot = (uint32_t)slot;
	state->ifindex = (uint32_t)ifindex;
	state->netns_inode = (uint64_t)inode;
	return take_text(root, "device", state->device, sizeof(state->device)) &&
	       take_text(root, "netns", state->netns, sizeof(state->netns)) &&
	       take_mac(root, state->mac) && take_ips(root, &state->ips);
}

static bool take_state(const cJSON *root, struct fw_state *state)
{
	int64_t version;

	return take_number(root, "version", VERSION, &version) && version == VERSION &&
	       take_text(root, "containerId", state->container_id, sizeof(state->container_id)) &&
	       take_text(root, "ifname", state->ifname, sizeof(state->ifname)) &&
	       take_text(root, "network", state->network, sizeof(state->network)) &&
	       take_text(root, "nodeName", state->node_name, sizeof(state->node_name)) &&
	       take_text(root, "namespace", state->namespace, sizeof(state->namespace)) &&
	       take_text(root, "name", state->name, sizeof(state->name)) &&
	       take_text(root, "uid", state->uid, sizeof(state->uid)) && take_place(root, state);
}

int fw_state_read(const char *run_dir, const char *container_id, const char *ifname,
		  struct fw_state *ret_state, struct fw_err *err)
{
	char name[NAME_MAX + 1], text[FILE_MAX];
	_cleanup_(fw_json_free) cJSON *root = NULL;
	struct fw_state state = {0};

	_cleanup_close_ int folder = open_folder(run_dir, false, err);
	if (folder < 0)
		return folder;
	file_name("", container_id, ifname, name);
	_cleanup_close_ int fd =
		openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return fw_err_errno(err, -errno, "endpoint file %s", name);
	ssize_t len = read(fd, text, sizeof(text));
	if (len < 0)
		return fw_err_errno(err, -errno, "endpoint file %s", name);
	if (fw_json_parse(text, (size_t)len, &root, NULL) < 0 || !take_state(root, &state) ||
	    strcmp(state.container_id, container_id) != 0 || strcmp(state.ifname, ifname) != 0)
		return fw_err_set(err, -EBADMSG, "endpoint file %s is damaged", name);
	*ret_state = state;
	return 0;
}

int fw_state_remove(const char *run_dir, const char *container_id, const char *ifname,
		    struct fw_err *err)
{
	char name[NAME_MAX + 1];
	int failure = 0;

	_cleanup_close_ int folder = open_folder(run_dir, false, err);
	if (folder < 0)
		return folder == -ENOENT ? 0 : folder;
	if (unlinkat(folder, file_name(".", container_id, ifname, name), 0) < 0 && errno != ENOENT)
		failure = -errno;
	if (unlinkat(folder, file_name("", container_id, ifname, name), 0) < 0 && errno != ENOENT)
		failure = -errno;
	return failure ? fw_err_errno(err, failure, "removing endpoint file %s", name) : 0;
}

/* Takes a file name apart; false when it is not one of ours. */
static bool split_name(const char *file, char *ret_container, char *ret_ifname)
{
	const char *dash = strrchr(file, '-');
	size_t len = strlen(file), used = 0;

	if (!dash || len < strlen(SUFFIX) || strcmp(file + len - strlen(SUFFIX), SUFFIX) != 0)
		return false;
	size_t id_len = (size_t)(dash - file);
	if (!id_len || id_len > FW_CONTAINER_ID_MAX)
		return false;
	memcpy(ret_container, file, id_len);
	ret_container[id_len] = '\0';
	for (const char *c = dash + 1; c < file + len - strlen(SUFFIX); c++) {
		if (used == FW_IFNAME_MAX)
			return false;
		if (!strncmp(c, "%2d", 3) || !strncmp(c, "%25", 3)) {
			ret_ifname[used++] = c[2] == 'd' ? '-' : '%';
			c += 2;
		} else {
			ret_ifname[used++] = *c;
		}
	}
	ret_ifname[used] = '\0';
	return fw_name_is_id(ret_container, FW_CONTAINER_ID_MAX) && fw_name_is_ifname(ret_ifname);
}

static void close_walk(DIR **directory)
{
	if (*directory)
		(void)closedir(*directory);
}

int fw_state_walk(const char *run_dir, fw_state_visit visit, void *context, struct fw_err *err)
{
	char container_id[FW_CONTAINER_ID_MAX + 1], ifname[FW_IFNAME_MAX + 1];
	const struct dirent *entry;

	int folder = open_folder(run_dir, false, err);
	if (folder < 0)
		return folder == -ENOENT ? 0 : folder;
	_cleanup_(close_walk) DIR *directory = fdopendir(folder);
	if (!directory) {
		(void)close(folder);
		return fw_err_errno(err, -ENOMEM, "%s/" FOLDER, run_dir);
	}
	while ((entry = readdir(directory))) {
		/* a file that a killed ADD had not finished counts, too */
		const char *name = entry->d_name[0] == '.' ? entry->d_name + 1 : entry->d_name;
		if (!split_name(name, container_id, ifname))
			continue;
		int r = visit(container_id, ifname, context);
		if (r < 0)
			return r;
	}
	return 0;
}
