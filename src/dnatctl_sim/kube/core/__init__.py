"""What an API server stores and how it names it: objects, resource types, selectors, versions."""
