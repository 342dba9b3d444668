"""Signatures, and where keys come from."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import ClassVar

import orjson
import pytest
import urllib3
from alibabacloud_credentials.provider.oidc import OIDCRoleArnCredentialsProvider
from alibabacloud_credentials.provider.uri import URLCredentialsProvider
from alibabacloud_vpc20160428 import models
from alibabacloud_vpc20160428.client import Client
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dnatctl_sim.cloud import Cloud, CloudServer, Fault
from dnatctl_sim.cloud.spec import REGION, StsSpec
from tests.integration.sim.cloud_support import Site, refused, signed_post

QUERY = {"RegionId": REGION}
ROLE_ARN = "acs:ram::1234567890123456:role/emulated-worker-role"


@pytest.fixture(scope="module")
def _shared() -> Iterator[Site]:
    with Site() as shared:
        yield shared


@pytest.fixture
def site(_shared: Site) -> Site:
    _shared.reset()
    return _shared


def _code(reply: urllib3.BaseHTTPResponse) -> tuple[int, str]:
    body = orjson.loads(reply.data)
    assert set(body) >= {"RequestId", "HostId", "Code", "Message", "Recommend"}
    return reply.status, body["Code"]


class TestSignature:
    def test_the_sdk_signs_odd_characters_right(self, site: Site) -> None:
        name = "a ~*+&=%/ü中"
        site.create(forward_entry_name=name)
        assert site.rows()[0]["name"] == name

    def test_a_good_one(self, site: Site) -> None:
        assert signed_post(site, QUERY).status == 200

    def test_a_wrong_secret(self, site: Site) -> None:
        with refused("SignatureDoesNotMatch", 403):
            Client(site.config(access_key_secret="wrong")).describe_nat_gateways(
                models.DescribeNatGatewaysRequest(region_id=REGION)
            )

    def test_an_unknown_key_is_a_404(self, site: Site) -> None:
        reply = signed_post(site, QUERY, key_id="LTAI-nobody")
        assert _code(reply) == (404, "InvalidAccessKeyId.NotFound")

    @pytest.mark.parametrize(
        ("header", "value"),
        [("x-acs-action", "DescribeEipAddresses"), ("host", "elsewhere"), ("x-acs-date", "")],
    )
    def test_a_signed_header_changed_or_lost(self, site: Site, header: str, value: str) -> None:
        reply = signed_post(site, QUERY, {header: value})
        assert _code(reply)[1] == "SignatureDoesNotMatch"

    def test_a_parameter_changed(self, site: Site) -> None:
        reply = signed_post(site, QUERY, sent={"RegionId": "cn-beijing"})
        assert _code(reply) == (403, "SignatureDoesNotMatch")

    def test_a_body_changed(self, site: Site) -> None:
        reply = signed_post(site, QUERY, **{"x-acs-content-sha256": "0" * 64})
        assert _code(reply) == (403, "SignatureDoesNotMatch")

    def test_an_unsigned_header_of_the_api(self, site: Site) -> None:
        reply = signed_post(site, QUERY, {"x-acs-extra": "1"})
        assert _code(reply) == (400, "IncompleteSignature")

    @pytest.mark.parametrize(
        "header", ["host", "x-acs-action", "x-acs-date", "x-acs-signature-nonce"]
    )
    def test_a_header_that_must_be_signed(self, site: Site, header: str) -> None:
        reply = signed_post(site, QUERY, unsigned=header)
        assert _code(reply) == (400, "IncompleteSignature")

    def test_none(self, site: Site) -> None:
        reply = signed_post(site, QUERY, {"authorization": ""})
        assert _code(reply) == (400, "IncompleteSignature")

    @pytest.mark.parametrize(("off", "status"), [(-890, 200), (890, 200), (-902, 400), (960, 400)])
    def test_the_date_window(self, site: Site, off: int, status: int) -> None:
        date = (site.clock.now() + timedelta(seconds=off)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert signed_post(site, QUERY, **{"x-acs-date": date}).status == status

    def test_a_malformed_date(self, site: Site) -> None:
        reply = signed_post(site, QUERY, **{"x-acs-date": "yesterday"})
        assert _code(reply) == (400, "InvalidTimeStamp.Format")

    def test_a_nonce_works_once(self, site: Site) -> None:
        assert signed_post(site, QUERY, **{"x-acs-signature-nonce": "n1"}).status == 200
        again = signed_post(site, QUERY, **{"x-acs-signature-nonce": "n1"})
        assert _code(again) == (400, "SignatureNonceUsed")
        assert signed_post(site, QUERY, **{"x-acs-signature-nonce": "n2"}).status == 200

    def test_unknown_apis_and_versions(self, site: Site) -> None:
        unknown = signed_post(site, QUERY, **{"x-acs-action": "CreateForwardEntries"})
        assert _code(unknown) == (404, "InvalidAction.NotFound")
        wrong = signed_post(site, QUERY, **{"x-acs-version": "2014-05-26"})
        assert _code(wrong) == (404, "InvalidAction.NotFound")

    def test_checks_can_be_turned_off(self, site: Site) -> None:
        site.cloud.set_knobs(verify_signature=False)
        assert signed_post(site, QUERY, secret="wrong").status == 200


class TestSessionKeys:
    def keys(self, site: Site) -> dict[str, str]:
        reply = urllib3.request("GET", f"{site.server.endpoint}/credentials")
        return dict(orjson.loads(reply.data))

    def client(self, site: Site, keys: dict[str, str], token: str | None = None) -> Client:
        return Client(
            site.config(
                access_key_id=keys["AccessKeyId"],
                access_key_secret=keys["AccessKeySecret"],
                security_token=keys["SecurityToken"] if token is None else token,
            )
        )

    def call(self, client: Client) -> int:
        request = models.DescribeNatGatewaysRequest(region_id=REGION)
        return int(client.describe_nat_gateways(request).body.total_count)

    def test_work_until_they_expire(self, site: Site) -> None:
        site.cloud.set_knobs(sts_lifetime=100)
        client = self.client(site, self.keys(site))
        assert self.call(client) == 2
        site.clock.ahead = timedelta(seconds=101)
        with refused("InvalidSecurityToken.Expired", 400):
            self.call(client)

    def test_need_their_token(self, site: Site) -> None:
        keys = self.keys(site)
        with refused("MissingSecurityToken"):
            self.call(self.client(site, keys, token=""))
        with refused("InvalidSecurityToken.MismatchWithAccessKey", 403):
            self.call(self.client(site, keys, token="another"))

    def test_a_token_for_a_key_that_has_none(self, site: Site) -> None:
        with refused("InvalidSecurityToken.Malformed", 400):
            self.call(Client(site.config(security_token="made-up")))

    def test_can_be_ended_or_revoked(self, site: Site) -> None:
        first, second = self.keys(site), self.keys(site)
        site.acts.revoke_key(first["AccessKeyId"])
        with refused("InvalidAccessKeyId.NotFound", 404):
            self.call(self.client(site, first))
        site.acts.expire_keys()
        with refused("InvalidSecurityToken.Expired"):
            self.call(self.client(site, second))

    def test_the_library_gets_them_from_a_uri(self, site: Site) -> None:
        provider = URLCredentialsProvider(uri=f"{site.server.endpoint}/credentials")
        got = provider.get_credentials()
        keys = {
            "AccessKeyId": got.get_access_key_id(),
            "AccessKeySecret": got.get_access_key_secret(),
            "SecurityToken": got.get_security_token(),
        }
        assert self.call(self.client(site, keys)) == 2


class TestMetadata:
    ROLES = "/latest/meta-data/ram/security-credentials/"

    def get(self, site: Site, path: str, token: str | None = None) -> urllib3.BaseHTTPResponse:
        headers = {} if token is None else {"X-aliyun-ecs-metadata-token": token}
        return urllib3.request("GET", site.server.endpoint + path, headers=headers, retries=False)

    def token(self, site: Site, ttl: str = "21600") -> urllib3.BaseHTTPResponse:
        return urllib3.request(
            "PUT",
            f"{site.server.endpoint}/latest/api/token",
            headers={"X-aliyun-ecs-metadata-token-ttl-seconds": ttl},
            retries=False,
        )

    def test_gives_the_role_and_keys_for_a_token(self, site: Site) -> None:
        site.cloud.set_knobs(imds_v1=False)
        token = self.token(site).data.decode()
        role = self.get(site, self.ROLES, token).data.decode()
        assert role == "emulated-worker-role"
        keys = orjson.loads(self.get(site, self.ROLES + role, token).data)
        assert keys["Code"] == "Success"
        issued = site.cloud.world.keys[keys["AccessKeyId"]]
        assert (issued.secret, issued.token) == (keys["AccessKeySecret"], keys["SecurityToken"])
        assert self.get(site, self.ROLES + "another", token).status == 404

    def test_without_a_token_only_as_version_1(self, site: Site) -> None:
        assert self.get(site, self.ROLES).status == 200
        site.cloud.set_knobs(imds_v1=False)
        assert self.get(site, self.ROLES).status == 403

    def test_tokens_expire_and_cannot_be_made_up(self, site: Site) -> None:
        token = self.token(site, ttl="10").data.decode()
        assert self.get(site, self.ROLES, "made-up").status == 403
        site.clock.ahead = timedelta(seconds=11)
        assert self.get(site, self.ROLES, token).status == 403

    def test_faults_reach_it_too(self, site: Site) -> None:
        site.cloud.add_fault(Fault(action="page", status=503, apis=["/latest/api/token"]))
        assert self.token(site).status == 503
        assert self.token(site).status == 200

    @pytest.mark.parametrize("ttl", ["", "0", "21601", "x"])
    def test_a_token_needs_a_lifetime(self, site: Site, ttl: str) -> None:
        assert self.token(site, ttl).status == 400


class TestOidc:
    PARAMS: ClassVar = {
        "Action": "AssumeRoleWithOIDC",
        "Version": "2015-04-01",
        "RoleArn": ROLE_ARN,
        "OIDCProviderArn": StsSpec().oidc_provider,
        "OIDCToken": StsSpec().oidc_token,
        "RoleSessionName": "test",
        "DurationSeconds": "1800",
    }

    def assume(self, site: Site, **changes: str) -> urllib3.BaseHTTPResponse:
        return urllib3.request(
            "GET", site.server.endpoint, fields=self.PARAMS | changes, retries=False
        )

    def test_gives_keys_for_as_long_as_asked(self, site: Site) -> None:
        body = orjson.loads(self.assume(site).data)
        expires = datetime.fromisoformat(body["Credentials"]["Expiration"])
        assert abs((expires - site.clock.now()).total_seconds() - 1800) <= 1
        assert body["Credentials"]["AccessKeyId"] in site.cloud.world.keys

    def test_but_not_longer_than_the_role_allows(self, site: Site) -> None:
        site.cloud.set_knobs(sts_lifetime=60)
        body = orjson.loads(self.assume(site).data)
        expires = datetime.fromisoformat(body["Credentials"]["Expiration"])
        assert (expires - site.clock.now()).total_seconds() <= 60

    @pytest.mark.parametrize(
        ("change", "refusal"),
        [
            ({"OIDCToken": "forged"}, (400, "AuthenticationFail.OIDCToken.Invalid")),
            ({"RoleArn": ROLE_ARN + "x"}, (404, "EntityNotExist.Role")),
            ({"OIDCProviderArn": "another"}, (403, "AuthenticationFail.NoPermission")),
            ({"RoleSessionName": ""}, (400, "MissingParameter")),
        ],
    )
    def test_refusals(self, site: Site, change: dict[str, str], refusal: tuple[int, str]) -> None:
        assert _code(self.assume(site, **change)) == refusal

    def test_the_library_assumes_the_role_over_tls(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token_file = tmp_path / "token"
        token_file.write_text(StsSpec().oidc_token)
        context, ca_file = _tls(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
        cloud = Cloud()
        with CloudServer(cloud, tls=context) as server:
            provider = OIDCRoleArnCredentialsProvider(
                role_arn=ROLE_ARN,
                oidc_provider_arn=StsSpec().oidc_provider,
                oidc_token_file_path=str(token_file),
                sts_endpoint=server.address,
            )
            got = provider.get_credentials()
        key = cloud.world.keys[got.get_access_key_id()]
        assert (key.secret, key.token) == (got.get_access_key_secret(), got.get_security_token())


def _tls(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """A certificate for 127.0.0.1 that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (directory / "server.pem").write_bytes(secret + pem)
    (directory / "ca.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    return context, directory / "ca.pem"
