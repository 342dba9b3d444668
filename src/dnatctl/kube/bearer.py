"""The token for the API server in the headers of a request, and in no text of an error."""

from __future__ import annotations

from dnatctl.kube.errors import Failure, KubeError
from dnatctl.kube.official import ApiClient, config

_HEADER = "authorization"


def authorize(api: ApiClient, headers: dict[str, str], path: str, method: str) -> None:
    """Add the token, as it is at this moment: it is rotated about hourly.

    Raises KubeError where there is none that can be sent. What sends headers quotes what it cannot
    send, so it is looked at before; only blanks around it are forgiven, as in a file that ends in a
    newline.
    """
    try:
        api.update_params_for_auth(headers, [], ["BearerToken"], path, method, None)
    except (config.ConfigException, OSError) as error:
        raise KubeError(Failure.UNREACHABLE, f"no credential: {error}") from error
    except ValueError as error:
        # It may hold what it could not read, as one of a file that is no UTF-8 does.
        raise _none(f"it cannot be read ({type(error).__name__})") from None
    token = (headers.pop(_HEADER, None) or "").strip()
    if not (token.isascii() and token.isprintable()):
        raise _none("the token has characters that cannot be sent")
    if token:
        headers[_HEADER] = token


def _none(why: str) -> KubeError:
    return KubeError(Failure.UNREACHABLE, f"no credential: {why}")
