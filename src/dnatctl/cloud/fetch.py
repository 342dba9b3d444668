"""How each source that lends credentials for a time is asked for them."""

from __future__ import annotations

import base64
import re
import time
from calendar import timegm
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import orjson
from urllib3.exceptions import HTTPError

from dnatctl.cloud.credentials import CredentialError, Keys, RamRole, Rrsa
from dnatctl.cloud.text import shown
from dnatctl.cloud.web import Web
from dnatctl.decoding import text_of
from dnatctl.model import ROLE_NAME

_TOKEN_TTL: Final = {"X-aliyun-ecs-metadata-token-ttl-seconds": "300"}
_ROLE_PATH: Final = "/latest/meta-data/ram/security-credentials/"
_DURATION: Final = 3600


def fetch_ram_role(source: RamRole) -> Keys:
    """The credentials of the instance's RAM role, by the hardened metadata protocol only.

    https://help.aliyun.com/zh/ecs/user-guide/view-instance-metadata
    """
    # Never through a proxy: the address is that of this very machine.
    with Web(1, 2, direct=True) as web:
        token = _text(web, "PUT", f"{source.endpoint}/latest/api/token", _TOKEN_TTL)
        headers = {"X-aliyun-ecs-metadata-token": token}
        url = f"{source.endpoint}{_ROLE_PATH}"
        role = source.role_name or _text(web, "GET", url, headers).strip()
        if not re.fullmatch(ROLE_NAME, role):
            raise CredentialError(f"not the name of a RAM role: {shown(role, longest=64)}")
        answer = _object(_text(web, "GET", url + role, headers))
    if answer.get("Code") != "Success":
        raise CredentialError(f"the metadata service has no credentials for RAM role {role}")
    return _keys(answer, "AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration")


def fetch_rrsa(source: Rrsa) -> Keys:
    """The credentials that STS gives for the service account token, read anew from its file.

    https://help.aliyun.com/zh/ram/developer-reference/api-sts-2015-04-01-assumerolewithoidc
    """
    try:
        oidc_token = Path(source.token_file).read_text("utf-8").strip()
    except (OSError, ValueError) as exc:
        raise CredentialError(f"cannot read the OIDC token file: {exc}") from exc
    query = {
        "Action": "AssumeRoleWithOIDC",
        "Format": "JSON",
        "Version": "2015-04-01",
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    # In the body: a URL ends up in the logs of proxies.
    form = {
        "RoleArn": source.role_arn,
        "OIDCProviderArn": source.provider_arn,
        "OIDCToken": oidc_token,
        "RoleSessionName": source.session_name,
        "DurationSeconds": str(_DURATION),
    }
    with Web(3, 7) as web:
        url = f"{source.endpoint}/?{urlencode(query)}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = _object(_text(web, "POST", url, headers, urlencode(form)))
    lent = answer.get("Credentials")
    if not isinstance(lent, dict):
        raise CredentialError("STS answered without credentials")
    return _keys(lent, "AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration")


def read_key_pair(access_key: bytes, access_secret: bytes) -> Keys:
    """The pair that two files hold. Raises CredentialError where one is empty or no text."""
    try:
        key, secret = (it.decode("ascii").strip() for it in (access_key, access_secret))
    except UnicodeDecodeError as error:
        raise CredentialError("an AccessKey pair is ASCII text") from error
    if not (key and secret):
        raise CredentialError("accessKey or accessSecret is empty")
    return Keys(key, secret)


def read_addon_token(data: bytes) -> Keys:
    """The credentials in ACK's addon token file.

    Each secret is base64 of a 16-byte IV and AES-CBC text, padded, under the key that stands
    beside it: hidden from a glance, not protected
    (https://github.com/AliyunContainerService/ack-ram-tool, encryptedfile_provider.go).
    """
    token = _object(data)
    if failure := token.get("error"):
        code = failure.get("code") if isinstance(failure, dict) else ""
        raise CredentialError(
            f"ACK could not make the addon token: {shown(code or 'no reason given')}"
        )
    keyring = text_of(token.get("keyring", "")).encode()
    names = ("access.key.id", "access.key.secret", "security.token")
    try:
        plain = {name: _decrypt(text_of(token[name]), keyring) for name in names}
    except (KeyError, ValueError) as exc:
        raise CredentialError("the addon token file is damaged") from exc
    return _keys({**token, **plain}, *names, "expiration")


def _decrypt(text: str, key: bytes) -> str:
    """Raises ValueError for anything but what `read_addon_token` describes."""
    # Late: 6 MB, for one of the kinds of source.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    raw = base64.b64decode(text, validate=True)
    decryptor = Cipher(algorithms.AES(key), modes.CBC(raw[:16])).decryptor()
    padded = decryptor.update(raw[16:]) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    return (unpadder.update(padded) + unpadder.finalize()).decode()


def _text(web: Web, method: str, url: str, headers: dict[str, str], body: str = "") -> str:
    where = "an address that makes no sense"
    try:
        where = urlsplit(url).netloc.rpartition("@")[2]
        answer = web.send(method, url, headers, body.encode() or None)
    except (HTTPError, ValueError) as exc:
        raise CredentialError(f"no answer from {where}: {type(exc).__name__}") from exc
    if answer.status != 200:
        raise CredentialError(f"{where} answered {answer.status}{_vendor_code(answer.body)}")
    return answer.body.decode("utf-8", "replace")


def _vendor_code(body: bytes) -> str:
    """The code and request ID of an error answer; its message may repeat what was sent."""
    try:
        answer = _object(body)
    except CredentialError:
        return ""
    code, request = (shown(answer.get(name, ""), longest=96) for name in ("Code", "RequestId"))
    return f" {code} (request {request})"


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise CredentialError("the answer with the credentials is not JSON") from exc
    if not isinstance(value, dict):
        raise CredentialError("the answer with the credentials is not an object")
    return value


def _keys(answer: dict[str, Any], key_id: str, secret: str, token: str, expiration: str) -> Keys:
    try:
        expires = timegm(time.strptime(text_of(answer[expiration]), "%Y-%m-%dT%H:%M:%SZ"))
        pair = text_of(answer[key_id]), text_of(answer[secret])
        return Keys(*pair, text_of(answer[token]), expires)
    except (KeyError, ValueError) as exc:
        raise CredentialError("the answer with the credentials lacks a part") from exc
