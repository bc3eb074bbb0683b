"""All that the reference proxy needs for training, made in one new folder: a SoftHSM token with keys of each kind, certificates, a credential,
the proxy's configuration, and the members of CreateCustomKeyStore. Never for earnest use: who reads the folder has it all."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from base64 import b64encode
from pathlib import Path

from engine.hsm.token import Token
from kmsconsole.xks_proxy import certificates
from kmsconsole.xks_proxy.configuration import API, ConfigurationError

LABEL = "xks-training"
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
_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


def softhsm_configuration(folder: Path) -> Path:
    return folder / "softhsm2.conf"


def make(folder: Path, host: str = HOST, listen: str = "127.0.0.1:8443", *, mutual_tls: bool = False) -> Path:
    """The path of the configuration. Raises ConfigurationError if the folder is there or SoftHSM is not."""
    module = next((path for path in _MODULES if os.path.exists(path)), None)
    if module is None:
        raise ConfigurationError("SoftHSM 2 is not installed: the Debian package is softhsm2")
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError as reason:
        raise ConfigurationError(f"{folder} is there already") from reason
    issuer = certificates.authority("kmsconsole xks-proxy training")
    (folder / "ca.pem").write_bytes(issuer.pem)
    certificates.write_private(folder / "server.pem", certificates.server_pem(issuer, host))
    certificates.write_private(folder / "client.pem", certificates.client_pem(issuer, CLIENT_NAME))
    pin = _make_token(folder, module)
    access_key_id = "".join(secrets.choice(_ALPHABET) for _ in range(24))
    secret = b64encode(secrets.token_bytes(32)).decode()
    mutual = f'client_authorities = "ca.pem"\nclient_name = "{CLIENT_NAME}"\n' if mutual_tls else ""
    text = (
        f'listen = "{listen}"\ncertificate = "server.pem"\n{mutual}\n'
        f'[token]\nmodule = "{module}"\nlabel = "{LABEL}"\npin = "{pin}"\n\n'
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


def _make_token(folder: Path, module: str) -> str:
    """The PIN of a new token with the keys."""
    tokens = folder / "tokens"
    tokens.mkdir(mode=0o700)
    configuration = softhsm_configuration(folder)
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    pin = secrets.token_hex(16)
    command = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        LABEL,
        "--pin",
        pin,
        "--so-pin",
        secrets.token_hex(16),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as reason:
        kind = type(reason).__name__
        raise ConfigurationError(f"softhsm2-util made no token ({kind})") from None  # its text has the PIN
    token = Token(module, LABEL, pin)
    token.check()  # this process may have seen SoftHSM with another configuration
    for label, (encrypts, decrypts) in KEYS.items():
        token.generate(secrets.token_bytes(16), label, encrypts=encrypts, decrypts=decrypts)
    token.close()
    return pin
