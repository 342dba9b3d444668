"""Each way to be known to the cloud, with what the chart mounts and sets for it.

The pod's files are laid out below a folder as the kubelet would lay them, and the program is given
the same paths below that folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dnatctl.cli.options import credential_source
from dnatctl.cloud.credentials import (
    ADDON_TOKEN_FILE,
    KEY_FOLDER,
    CredentialSource,
    KeyFiles,
    RamRole,
    Rrsa,
)
from dnatctl.cloud.fetch import fetch_rrsa
from dnatctl.cloud.providers import open_provider
from dnatctl.config import parse
from tests.integration.cloud.bench import STATIC, TABLE_ID, Bench
from tests.integration.cloud.test_cloud_identity import put_addon_token, rrsa
from tests.unit.manifests.test_chart import FILLED, of, pod, render

__all__ = ["rrsa"]

Values = Mapping[str, Any]
Secrets = dict[str, dict[str, str]]

KEYS = {"id": STATIC.keys.access_key_id, "secret": STATIC.keys.access_key_secret}
ADDON_SECRET = {"access-key-id": KEYS["id"], "access-key-secret": KEYS["secret"]}
WEBHOOK_FOLDER = "/var/run/secrets/ack.alibabacloud.com/rrsa-tokens"


class PodFiles:
    """The files and the environment of the chart's container."""

    def __init__(self, folder: Path, values: Values) -> None:
        self.root = folder / "root"
        objects = render(folder, {**FILLED, **values}, "--namespace", "kube-system")
        self.spec = pod(objects)
        self.config = of(objects, "ConfigMap", "dnatctl-config")["data"]["config.yaml"]
        self.secrets = {
            item["metadata"]["name"]: item.get("stringData") or {}
            for item in objects
            if item["kind"] == "Secret"
        }
        (self.container,) = self.spec["containers"]
        self.env = {item["name"]: item["value"] for item in self.container.get("env", [])}

    def lay(self, secrets: Secrets | None = None, token: str = "") -> None:
        """Write what is mounted; again, as the kubelet swaps it in, when it was rotated."""
        volumes = {volume["name"]: volume for volume in self.spec["volumes"]}
        for mount in self.container["volumeMounts"]:
            volume = volumes[mount["name"]]
            folder = self.root / mount["mountPath"].lstrip("/")
            if "secret" in volume:
                held = (self.secrets | (secrets or {}))[volume["secret"]["secretName"]]
                for item in volume["secret"]["items"]:
                    put(folder / item["path"], held[item["key"]])
            for source in volume.get("projected", {}).get("sources", ()):
                put(folder / source["serviceAccountToken"]["path"], token)

    def at(self, path: str) -> str:
        """A path of the container, where it is here."""
        return str(self.root / path.lstrip("/"))

    def source(self, endpoint: str) -> CredentialSource:
        """What the program takes for its credentials there."""
        env = {name: self.at(v) if v.startswith("/") else v for name, v in self.env.items()}
        env["DNATCTL_KEY_FOLDER"] = self.at(KEY_FOLDER)
        if Path(self.at(ADDON_TOKEN_FILE)).exists():
            env["DNATCTL_ADDON_TOKEN_FILE"] = self.at(ADDON_TOKEN_FILE)
        source = credential_source(parse(self.config), env)
        if isinstance(source, Rrsa | RamRole):
            return replace(source, endpoint=endpoint)
        return source


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def works(bench: Bench, files: PodFiles) -> None:
    cloud = bench.connect(open_provider(files.source(bench.server.endpoint)))
    assert cloud.read_page(TABLE_ID, 1).total == 0


def own_secret(bench: Bench, files: PodFiles, rrsa: Rrsa) -> None:
    assert KEYS["secret"] not in files.config
    files.lay()


def existing_secret(bench: Bench, files: PodFiles, rrsa: Rrsa) -> None:
    files.lay({"alibaba-addon-secret": ADDON_SECRET})


def addon_token(bench: Bench, files: PodFiles, rrsa: Rrsa) -> None:
    path = files.root.parent / "token-config"
    put_addon_token(path, fetch_rrsa(rrsa))
    files.lay({"addon.network.token": {"addon.token.config": path.read_text("utf-8")}})


def projected_token(bench: Bench, files: PodFiles, rrsa: Rrsa) -> None:
    files.lay(token=bench.emulated.scenario.sts.oidc_token)


def by_webhook(bench: Bench, files: PodFiles, rrsa: Rrsa) -> None:
    """What ack-pod-identity-webhook adds to a pod: three variables and a token."""
    files.env |= {
        "ALIBABA_CLOUD_ROLE_ARN": rrsa.role_arn,
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": rrsa.provider_arn,
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": f"{WEBHOOK_FOLDER}/token",
    }
    put(Path(files.at(f"{WEBHOOK_FOLDER}/token")), bench.emulated.scenario.sts.oidc_token)


def role_of_the_node(bench: Bench, files: PodFiles, rrsa: Rrsa) -> None:
    bench.emulated.set_knobs(imds_v1=False)


WAYS = {
    "an AccessKey pair among the values": (
        {"credential": {"accessKey": KEYS["id"], "accessSecret": KEYS["secret"]}},
        own_secret,
    ),
    "the Secret alibaba-addon-secret": (
        {
            "credentialSecret": {
                "name": "alibaba-addon-secret",
                "accessKeyField": "access-key-id",
                "accessSecretField": "access-key-secret",
            }
        },
        existing_secret,
    ),
    "the addon token": ({"addonToken": {"enabled": True}}, addon_token),
    "RRSA by a projected token": ({"rrsa": {"enabled": True}}, projected_token),
    "RRSA by the webhook": ({}, by_webhook),
    "the role of the node": ({}, role_of_the_node),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_works_with_what_the_chart_mounts(
    bench: Bench, rrsa: Rrsa, tmp_path: Path, way: str
) -> None:
    values, lay = WAYS[way]
    if "rrsa" in values:
        arns = {"roleARN": rrsa.role_arn, "oidcProviderARN": rrsa.provider_arn}
        values = {"rrsa": values["rrsa"] | arns}
    files = PodFiles(tmp_path, values)
    lay(bench, files, rrsa)
    works(bench, files)


def test_a_rotated_secret_is_taken_up_without_a_restart(bench: Bench, tmp_path: Path) -> None:
    files = PodFiles(tmp_path, WAYS["the Secret alibaba-addon-secret"][0])
    files.lay({"alibaba-addon-secret": ADDON_SECRET})
    source = files.source(bench.server.endpoint)
    assert isinstance(source, KeyFiles)
    cloud = bench.connect(open_provider(source))
    assert cloud.read_page(TABLE_ID, 1).total == 0
    bench.acts.add_key("LTAI-next", "next-secret")
    bench.acts.revoke_key(KEYS["id"])
    files.lay(
        {
            "alibaba-addon-secret": {
                "access-key-id": "LTAI-next",
                "access-key-secret": "next-secret",
            }
        }
    )
    assert cloud.read_page(TABLE_ID, 1).total == 0
