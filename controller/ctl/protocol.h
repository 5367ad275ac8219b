/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of podwalld's unix socket (mode 0600, peer credentials: root or the daemon's own
 * uid), spoken by the plugin and fwctl. One connection, one request: a JSON object on one line;
 * then one or more JSON objects, one per line, and the daemon closes. Member names are exact
 * (case-sensitive); duplicates: the last wins.
 *
 * Request: {"op": OP, ...}. Answer: {"ok": true, ...} or {"ok": false, "error": "what is wrong, for
 * a person"}. An error whose text ends in "try again" is about this moment, not about the request.
 *
 *   op            request members and answer
 *   endpoint_add  containerId, ifname, namespace, name, uid ("" where none),
 *                 ips ["10.1.0.2", "fd00::2"], slot, wait_ms (0 to 30000)
 *                 -> after the endpoint is programmed, or wait_ms later:
 *                 {"ok": true, "state": "active" | "isolated" | "locked", "detail": text}
 *   endpoint_del  containerId, ifname -> {"ok": true}, also when unknown
 *   status        {"ok": true, ...}
 *   endpoints     {"ok": true, "endpoints": [...]}
 *   policies      pod (optional, "ns/name") -> {"ok": true, "policies": [...]}
 *   maps          {"ok": true, "maps": [...]}
 *   version       {"ok": true, "version": ..., "abi": ...}
 *   flows         follow (bool), last (number of records; absent: all, 0: none of the history)
 *                 -> records, one per line (fw_record_json), then {"end": true} unless following
 *   enforcement   mode "Enforce" | "Audit" -> {"ok": true}
 */
/*
 * Members of the answers, beside "ok". Every member is always there; "" or [] where there is
 * nothing to say. Names are raw: who shows them on a terminal escapes them. Times are RFC 3339 with
 * nanoseconds, UTC.
 *
 * status
 *   version      "0.1.0" of podwalld
 *   abi          1 (FW_ABI_VERSION)
 *   datapath     "loaded <time>": the programs in force
 *   node         name of this node
 *   pid          of podwalld
 *   enforcement  "Enforce" | "Audit"
 *   started      time
 *   healthy      bool: problems is empty
 *   problems     ["2 pods are not covered: shop/a, shop/b", ...]
 *   source       {connected bool, description "folder /x: 3 files, 7 objects", since: time of the
 *                last change}
 *   errors       [{where, object, text}]: input that is wrong now; the last valid version stays
 *   policies     {total, enforced, audit, broken: [{object "NetworkPolicy shop/api",
 *                origin "shop.yaml: document 3", text}]}
 *   objects      {namespaces, pods, services, endpointSlices, policies, nodes}
 *   endpoints    {total, active, isolated, locked, uncovered}
 *   hooks        {clsact, tcx, partial, none, inSandbox}: endpoints by kind of hook; turns: how
 *                often it was time to promote one, whether or not one could be
 *   maps         [{name, used, capacity, percent}]: the fullest first
 *   records      {made, lost}
 *   revision     counts changes of the model
 *   applied      the revision that the maps hold
 *   latency      {compileMs, applyMs, totalMs, maxTotalMs}: of the last change, from its arrival to
 *                its last flip
 *
 * endpoints: a list, sorted by namespace, name, container, of
 *   namespace, name, uid, containerId, ifname
 *   ips          [text]
 *   mac          "02:00:00:00:00:01"
 *   ifindex, device, slot, region
 *   state        "active" | "isolated" | "locked" | "claimed" | "gone"
 *   hook         "tcx" | "clsact" | "partial" | "none"
 *   inSandbox    bool
 *   subject      label: the objects that select the pod, "" while isolated
 *   isolatedIn   bool: some object isolates that direction; isolatedOut alike
 *   epoch        number
 *   flows        slots of its flow region
 *   detail       why isolated, locked or uncovered; "" when active and covered
 *
 * policies: a list, sorted by kind, namespace, name; with `pod`: those that select it, and
 * {"ok": false} for a pod that the model does not hold
 *   layer        "application"
 *   kind         "NetworkPolicy"
 *   namespace, name, uid, generation
 *   origin       where it was read: "shop.yaml: document 3"
 *   direction    "Ingress" | "Egress" | "Both"
 *   mode         "Enforce" | "Audit"
 *   replaces     name or ""
 *   broken       field and reason, "" when it is whole
 *   pods         how many pods of the model it selects
 *
 * maps: [{name, used, capacity, full: what happens when it is full}]
 *
 * version: version, abi, node, kernel ("6.1.0-13")
 */
#ifndef FW_CTL_PROTOCOL_H
#define FW_CTL_PROTOCOL_H

#define FW_RUN_DIR_DEFAULT "/run/podwall"
#define FW_SOCKET_NAME	   "podwalld.sock" /* in the run directory */
#define FW_REQUEST_MAX	   65536u	   /* bytes; longer: an error, and the connection closes */
#define FW_CLIENTS_MAX	   64u		   /* one more is told so and closed */
/* Bytes queued for a slow reader; beyond it records are dropped for it and counted. */
#define FW_CLIENT_BACKLOG_MAX (8u << 20)
#define FW_REQUEST_TIMEOUT_MS 5000u /* for the request line to arrive */

#endif
