"""What an API server does with a request once it is understood: verbs, patches, validation."""
