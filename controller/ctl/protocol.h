/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of podwalld's unix socket (mode 0600, peer credentials: root or the daemon's own uid), spoken by the
 * plugin and fwctl. One connection, one request: a JSON object on one line; then one or more JSON objects, one per
 * line, and the daemon closes. Member names are exact (case-sensitive); duplicates: the last wins.
 *
 * Request: {"op": OP, ...}. Answer: {"ok": true, ...} or {"ok": false, "error": "what is wrong, for a person"}.
 *
 *   op              request members                                   answer
 *   endpoint_add    containerId, ifname, namespace, name, uid (""     after the endpoint is programmed, or wait_ms
 *                   where none), ips ["10.1.0.2", "fd00::2"], slot,   later: {"ok": true, "state": "active" |
 *                   wait_ms (0 to 30000)                              "isolated" | "locked", "detail": text}
 *   endpoint_del    containerId, ifname                               {"ok": true}, also when unknown
 *   status          -                                                 {"ok": true, ...}
 *   endpoints       -                                                 {"ok": true, "endpoints": [...]}
 *   policies        pod (optional, "ns/name")                         {"ok": true, "policies": [...]}
 *   maps            -                                                 {"ok": true, "maps": [...]}
 *   version         -                                                 {"ok": true, "version": ..., "abi": ...}
 *   flows           follow (bool), last (number of records, absent:   records, one per line (fw_record_json), then
 *                   all; 0: none of the history)                      {"end": true} unless following
 *   enforcement     mode "Enforce" | "Audit"                          {"ok": true}
 */
#ifndef FW_CTL_PROTOCOL_H
#define FW_CTL_PROTOCOL_H

#define FW_RUN_DIR_DEFAULT "/run/podwall"
#define FW_SOCKET_NAME "podwalld.sock" /* in the run directory */
#define FW_REQUEST_MAX 65536u	       /* bytes of a request line; longer: an error, and the connection closes */
#define FW_CLIENTS_MAX 64u	       /* one more is told so and closed */
#define FW_CLIENT_BACKLOG_MAX (8u << 20) /* bytes queued for a slow reader; beyond it records are dropped for it and counted */
#define FW_REQUEST_TIMEOUT_MS 5000u    /* for the request line to arrive */

#endif
