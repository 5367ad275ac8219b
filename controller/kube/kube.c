/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server as a source. In: options. Out: seven streams that feed one handler, and what
 * status asks about them. Only composes.
 */
#include "kube/kube.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "api/field.h"
#include "base/cleanup.h"
#include "kube/inside.h"

#define DESCRIBE_MAX 600

/* What policies need to be whole first: the lists run side by side, but the server takes time. */
static const struct fw_stream_kind kinds[FW_STREAMS] = {
	{"Namespace", FW_KIND_NAMESPACE, 0, "/api/v1/namespaces"},
	{"NetworkPolicy", FW_KIND_NETWORK_POLICY, 0, "/apis/networking.k8s.io/v1/networkpolicies"},
	{"Node", FW_KIND_NODE, 0, "/api/v1/nodes"},
	{"Service", FW_KIND_SERVICE, 0, "/api/v1/services"},
	{"EndpointSlice", FW_KIND_ENDPOINT_SLICE, 0, "/apis/discovery.k8s.io/v1/endpointslices"},
	{"Pod (this node)", FW_KIND_POD, 0, "/api/v1/pods"},
	{"Pod (peers)", FW_KIND_POD, 1, "/api/v1/pods"},
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = {0};

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 * FW_MS + (uint64_t)now.tv_nsec;
}

uint64_t fw_kube_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t fw_kube_wall(void)
{
	return clock_ns(CLOCK_REALTIME);
}

/* xorshift64*: jitter, not a secret. */
uint32_t fw_kube_random(struct fw_kube *kube)
{
	kube->random ^= kube->random >> 12;
	kube->random ^= kube->random << 25;
	kube->random ^= kube->random >> 27;
	return (uint32_t)(kube->random * 0x2545F4914F6CDD1DULL >> 32);
}

void fw_kube_arm(struct event *timer, uint64_t ns)
{
	const struct timeval wait = {.tv_sec = (time_t)(ns / (1000 * FW_MS)),
				     .tv_usec = (suseconds_t)(ns / 1000 % 1000000)};

	(void)evtimer_add(timer, &wait);
}

static void on_idle(void *context)
{
	fw_fan_flush(context);
}

static void on_batch(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	fw_fan_flush(context);
}

static void on_errors(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	fw_fan_errors(context);
}

static void kube_free(struct fw_source *source)
{
	struct fw_kube *kube = (struct fw_kube *)source;

	for (unsigned int i = 0; i < FW_STREAMS; i++)
		if (kube->streams[i].kube)
			fw_stream_done(&kube->streams[i]);
	fw_client_free(&kube->client);
	if (kube->batch_timer)
		event_free(kube->batch_timer);
	if (kube->errors_timer)
		event_free(kube->errors_timer);
	for (int kind = 0; kind < FW_KIND_COUNT; kind++)
		fw_known_done(&kube->known[kind]);
	fw_error_list_done(&kube->errors);
	fw_kube_config_done(&kube->config);
	free(kube->node_name);
	free(kube->described);
	free(kube);
}

static size_t kube_errors(const struct fw_source *source, const struct fw_input_error **ret_errors)
{
	const struct fw_kube *kube = (const struct fw_kube *)source;

	*ret_errors = kube->errors.items;
	return kube->errors.count;
}

static const char *kube_describe(const struct fw_source *source)
{
	/* the text is made anew: the source is ours, whoever looks at it */
	struct fw_kube *kube = (struct fw_kube *)(uintptr_t)source;
	unsigned int watched = 0, synced = 0;

	for (unsigned int i = 0; i < FW_STREAMS; i++) {
		watched += kube->streams[i].seen.connected;
		synced += kube->streams[i].seen.synced;
	}
	(void)snprintf(kube->described, DESCRIBE_MAX, "API server %.300s: %u of %u kinds %s",
		       kube->config.server, kube->ready ? watched : synced, FW_STREAMS,
		       kube->ready ? "watched" : "listed");
	return kube->described;
}

static void kube_rescan(struct fw_source *source)
{
	struct fw_kube *kube = (struct fw_kube *)source;

	for (unsigned int i = 0; i < FW_STREAMS; i++)
		fw_stream_relist(&kube->streams[i]);
}

static bool kube_ready(const struct fw_source *source)
{
	return ((const struct fw_kube *)source)->ready;
}

static bool kube_stream(const struct fw_source *source, size_t index,
			struct fw_source_stream *ret_stream)
{
	static const char *const states[] = {"waiting", "listing", "listing", "watching"};
	const struct fw_kube *kube = (const struct fw_kube *)source;
	const struct fw_known_object *known;
	const struct fw_stream *stream;
	size_t at = 0;

	if (index >= FW_STREAMS)
		return false;
	stream = &kube->streams[index];
	*ret_stream = stream->seen;
	ret_stream->state = stream->request && !stream->good ? "connecting" : states[stream->state];
	ret_stream->version = stream->version;
	ret_stream->trouble = stream->trouble;
	ret_stream->backlog = kube->pending;
	while ((known = fw_known_next(&kube->known[stream->what->kind], &at)))
		ret_stream->objects += fw_known_held(known, stream->what->slot);
	return true;
}

static const struct fw_source_kind kube_kind = {.free = kube_free,
						.errors = kube_errors,
						.describe = kube_describe,
						.rescan = kube_rescan,
						.ready = kube_ready,
						.stream = kube_stream};

static int read_config(struct fw_kube *kube, const struct fw_kube_options *options,
		       struct fw_err *err)
{
	const char *folder =
		options->service_account ? options->service_account : FW_SERVICE_ACCOUNT_DIR;

	if (options->kubeconfig)
		return fw_kube_config_file(options->kubeconfig, options->context, options->insecure,
					   &kube->config, err);
	return fw_kube_config_pod(folder, &kube->config, err);
}

static int make(struct fw_kube *kube)
{
	int r = fw_client_new(kube->base, &kube->config, on_idle, kube, &kube->client);

	kube->batch_timer = evtimer_new(kube->base, on_batch, kube);
	kube->errors_timer = evtimer_new(kube->base, on_errors, kube);
	kube->described = calloc(1, DESCRIBE_MAX);
	if (!r &&
	    (!kube->batch_timer || !kube->errors_timer || !kube->described || !kube->node_name))
		r = -ENOMEM;
	for (unsigned int i = 0; !r && i < FW_STREAMS; i++)
		r = fw_stream_init(&kube->streams[i], kube, &kinds[i]);
	return r;
}

static void free_source(struct fw_kube **kube)
{
	if (*kube)
		kube_free(&(*kube)->source);
}

int fw_kube_source_new(struct event_base *base, const struct fw_kube_options *options,
		       const struct fw_source_handler *handler, struct fw_source **ret_source,
		       struct fw_err *err)
{
	_cleanup_(free_source) struct fw_kube *kube = calloc(1, sizeof(*kube));
	const char *wrong = fw_check_subdomain(options->node_name);
	int r;

	if (!kube)
		return fw_err_errno(err, -ENOMEM, "API server");
	if (wrong)
		return fw_err_set(err, -EINVAL, "node name \"%.100s\": %s", options->node_name,
				  wrong);
	kube->source.kind = &kube_kind;
	kube->base = base;
	kube->handler = *handler;
	kube->node_name = strdup(options->node_name);
	kube->patience_ns =
		(options->patience_ms ? options->patience_ms : FW_KUBE_PATIENCE_MS) * FW_MS;
	if (getrandom(&kube->random, sizeof(kube->random), 0) < 0 || !kube->random)
		kube->random = clock_ns(CLOCK_REALTIME) | 1;
	r = read_config(kube, options, err);
	if (r)
		return r;
	r = make(kube);
	if (r)
		return fw_err_errno(err, r, "API server");
	for (unsigned int i = 0; i < FW_STREAMS; i++)
		fw_stream_relist(&kube->streams[i]);
	*ret_source = &TAKE_PTR(kube)->source;
	return 0;
}
