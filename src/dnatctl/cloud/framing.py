"""Our credentials in the vendor's frame: what the SDK is given is `alibabacloud_credentials`' own
client, with our providers hung into it.

Fixed key pairs come from the package's own provider. Lent ones and those in files come from ours,
for the reasons that `providers` gives.
"""

from __future__ import annotations

from typing import Any

from alibabacloud_credentials.client import Client
from alibabacloud_credentials.provider.refreshable import Credentials
from alibabacloud_credentials_api import ICredentialsProvider

from dnatctl.cloud.providers import Provider


class Hung(ICredentialsProvider):  # type: ignore[misc]
    """One of our providers, as the package asks for credentials."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def get_credentials(self) -> Any:
        """See `ICredentialsProvider`. Raises CredentialError."""
        keys = self._provider.keys()
        return Credentials(
            access_key_id=keys.access_key_id,
            access_key_secret=keys.access_key_secret,
            security_token=keys.security_token,
            provider_name=self.get_provider_name(),
        )

    async def get_credentials_async(self) -> Any:
        """See `ICredentialsProvider`."""
        return self.get_credentials()

    def get_provider_name(self) -> str:
        """See `ICredentialsProvider`."""
        return "dnatctl"


def framed(provider: Provider) -> Any:
    """The package's client, which lends what `provider` has."""
    return Client(provider=Hung(provider))
