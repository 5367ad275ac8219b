# SPDX-License-Identifier: Apache-2.0
"""CoreDNS as every cluster has it: kube-dns in kube-system, both families, two pods. Out: objects; applies nothing."""
import images
import layout

COREFILE = """.:53 {
    errors
    health
    ready
    kubernetes %s in-addr.arpa ip6.arpa
    cache 5
    reload
}
""" % layout.DOMAIN
LABELS = {"k8s-app": "kube-dns"}


def objects(replicas):
    meta = {"name": "coredns", "namespace": "kube-system"}
    rules = [{"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
             {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}]
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
    container = {"name": "coredns", "image": images.COREDNS, "imagePullPolicy": "Never", "args": ["-conf", "/etc/coredns/Corefile"],
                 "ports": [{"name": p["name"], "containerPort": 53, "protocol": p["protocol"]} for p in ports],
                 "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
                 "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "initialDelaySeconds": 30},
                 "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}]}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "system:coredns"}, "rules": rules},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "system:coredns"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
         "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}]},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"Corefile": COREFILE}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta,
         "spec": {"replicas": replicas, "selector": {"matchLabels": LABELS},
                  "template": {"metadata": {"labels": LABELS},
                               "spec": {"serviceAccountName": "coredns", "dnsPolicy": "Default", "containers": [container],
                                        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
                                        "topologySpreadConstraints": [{
                                            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
                                            "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": LABELS}}]}}}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": LABELS},
         "spec": {"selector": LABELS, "ports": ports, "ipFamilyPolicy": "RequireDualStack",
                  "clusterIPs": [layout.DNS4, layout.DNS6], "clusterIP": layout.DNS4}}]
