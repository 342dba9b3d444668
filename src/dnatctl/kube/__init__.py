"""The Kubernetes side: a thin client, watches into stores, the objects, lease and events."""
