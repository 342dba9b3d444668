"""The cloud side: the vendor's SDK behind `api.CloudApi`, its errors, limits and credentials."""
