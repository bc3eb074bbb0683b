"""All that the reference proxy needs for training, made in one new folder: a SoftHSM token with keys of each kind, certificates, a credential,
the proxy's configuration, and the members of CreateCustomKeyStore. Never for earnest use: who reads the folder has it all."""

from __future__ import annotations

import json
import os
import secrets
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from engine.hsm import softhsm
from engine.hsm.token import Token
from kmsconsole.xks_proxy import certificates
from kmsconsole.xks_proxy.configuration import API, ConfigurationError

PREFIX = "/training"
HOST = "xks.training.test"
CLIENT_NAME = "cks.kms.us-east-1.amazonaws.com"
# Label → what the key may do.
KEYS = {
    "training-key-1": (True, True),
    "training-key-2": (True, True),
    "encrypt-only": (True, False),
    "decrypt-only": (False, True),
    "neither": (False, False),
    "disabled": (True, True),
}
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # of an access key ID


def make(
    folder: Path,
    host: str = HOST,
    listen: str = "127.0.0.1:8443",
    *,
    mutual_tls: bool = False,
    keys: Mapping[str, tuple[bool, bool]] = KEYS,
) -> Path:
    """The path of the configuration. Raises ConfigurationError if the folder is there or SoftHSM is not."""
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as reason:
        raise ConfigurationError(f"{folder} is there already") from reason
    issuer = certificates.authority("kmsconsole xks-proxy training")
    (folder / "ca.pem").write_bytes(issuer.pem)
    certificates.write_private(folder / "server.pem", certificates.server_pem(issuer, host))
    certificates.write_private(folder / "client.pem", certificates.client_pem(issuer, CLIENT_NAME))
    label = f"xks-{secrets.token_hex(4)}"
    module, pin = _make_token(folder, label, keys)
    access_key_id = "".join(secrets.choice(_ALPHABET) for _ in range(24))
    secret = b64encode(secrets.token_bytes(32)).decode()
    mutual = f'client_authorities = "ca.pem"\nclient_name = "{CLIENT_NAME}"\n' if mutual_tls else ""
    text = (
        f'listen = "{listen}"\ncertificate = "server.pem"\n{mutual}\n'
        f'[token]\nmodule = "{module}"\nlabel = "{label}"\npin = "{pin}"\n\n'
        f'[[stores]]\nuri_path_prefix = "{PREFIX}"\ndisabled_keys = ["disabled"]\n\n'
        f'[[stores.credentials]]\naccess_key_id = "{access_key_id}"\nsecret_access_key = "{secret}"\n'
    )
    path = folder / "xks-proxy.toml"
    certificates.write_private(path, text.encode())
    members = {
        "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
        "XksProxyConnectivity": "PUBLIC_ENDPOINT",
        "XksProxyUriEndpoint": f"https://{host}",
        "XksProxyUriPath": PREFIX + API,
        "XksProxyAuthenticationCredential": {"AccessKeyId": access_key_id, "RawSecretAccessKey": secret},
    }
    certificates.write_private(folder / "create-custom-key-store.json", json.dumps(members, indent=2).encode())
    return path


def _make_token(folder: Path, label: str, keys: Mapping[str, tuple[bool, bool]]) -> tuple[str, str]:
    """(module, PIN) of a new token with the keys."""
    os.environ.pop("SOFTHSM2_CONF", None)  # the token is to be in the folder, whatever this process uses else
    pin = secrets.token_hex(16)
    try:
        module = softhsm.make(folder, label, pin)
    except softhsm.SoftHsmError as reason:
        raise ConfigurationError(str(reason)) from reason
    token = Token(module, label, pin)
    for key, (encrypts, decrypts) in keys.items():
        token.generate(secrets.token_bytes(16), key, encrypts=encrypts, decrypts=decrypts)
    token.close()
    return module, pin
