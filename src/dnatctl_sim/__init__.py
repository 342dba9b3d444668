"""The world around the controller, emulated, for tests, demonstrations and trying things out.

The API server (`kube`) says that it is v1.32.4, for clients that ask. It answers as kube-apiserver
1.20.2 does, with OpenAPI v3 besides: `tests/conformance` holds it to that, and a real one too, and
lists with reasons where they differ. It has no authorization, admission plugins, webhooks, quotas,
CEL rules, server-side apply, field managers, evictions or bindings; it reads JSON and YAML and
writes JSON, no protobuf; it keeps everything in memory. Its kubelet, its scheduler and its
controllers (Deployments, StatefulSets, garbage) do what tests and demo look at, no more.

The cloud (`cloud`) is as strict as the vendor's documents are, and takes scenarios that say how
else it may behave. It has never been compared with the real one.
"""
