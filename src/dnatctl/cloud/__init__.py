"""The cloud side: the vendor's SDK behind `api.CloudApi`, its errors, limits and credentials."""

from dnatctl import thin

thin.install()  # before anything in here imports the SDK
