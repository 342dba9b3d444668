"""Stand-ins for the programs around an API server: scheduler, kubelet, controllers, collectors."""
