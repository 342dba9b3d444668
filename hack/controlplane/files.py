"""What the servers and clients of a control plane read: tokens, audit policy, kubeconfig files."""

import base64
import json
import secrets
from pathlib import Path

CONTROLLER_NAMESPACE = "dnatctl-system"
CONTROLLER_ACCOUNT = "dnatctl"
CONTROLLER_USER = f"system:serviceaccount:{CONTROLLER_NAMESPACE}:{CONTROLLER_ACCOUNT}"

_IDENTITIES = {
    "admin": ("admin", ["system:masters"]),
    "dnatctl": (
        CONTROLLER_USER,
        [
            "system:serviceaccounts",
            f"system:serviceaccounts:{CONTROLLER_NAMESPACE}",
            "system:authenticated",
        ],
    ),
}
"""Who may log in: key of token and kubeconfig → user name and groups."""

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


def write_tokens(path: Path) -> dict[str, str]:
    """Write a `--token-auth-file` with new tokens and return them by identity."""
    tokens = {identity: secrets.token_hex(16) for identity in _IDENTITIES}
    lines = (
        f'{tokens[identity]},{user},{user},"{",".join(groups)}"\n'
        for identity, (user, groups) in _IDENTITIES.items()
    )
    path.write_text("".join(lines))
    return tokens


def read_tokens(path: Path) -> dict[str, str]:
    """Tokens by identity, as `write_tokens` left them."""
    users = {user: identity for identity, (user, _) in _IDENTITIES.items()}
    rows = (line.split(",", 2) for line in path.read_text().splitlines())
    return {users[user]: token for token, user, _ in rows}


def write_audit_policy(path: Path) -> None:
    """Write a policy that records who did what to which object, without bodies."""
    path.write_text(json.dumps(_AUDIT_POLICY))


def write_kubeconfig(path: Path, *, server: str, authority: Path, token: str) -> None:
    """Write a kubeconfig for one server and token that carries the certificate authority."""
    named = "control-plane"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": named,
        "contexts": [{"name": named, "context": {"cluster": named, "user": named}}],
        "users": [{"name": named, "user": {"token": token}}],
        "clusters": [
            {
                "name": named,
                "cluster": {
                    "server": server,
                    "certificate-authority-data": base64.b64encode(authority.read_bytes()).decode(),
                },
            }
        ],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2))
