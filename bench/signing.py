"""Sign through the whole service, beside `openssl speed` for the same algorithm on the same machine.

ML-DSA is not in every openssl program: there the figure beside is the cryptography package's, in a loop.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import mldsa

from bench.presign import write_script

# Key spec → (signing algorithm, what `openssl speed` calls it)
SPECS: dict[str, tuple[str, str]] = {
    "RSA_2048": ("RSASSA_PSS_SHA_256", "rsa2048"),
    "RSA_4096": ("RSASSA_PSS_SHA_256", "rsa4096"),
    "ECC_NIST_P256": ("ECDSA_SHA_256", "ecdsap256"),
    "ECC_NIST_P384": ("ECDSA_SHA_384", "ecdsap384"),
    "ECC_NIST_EDWARDS25519": ("ED25519_SHA_512", "ed25519"),
    "ML_DSA_44": ("ML_DSA_SHAKE_256", ""),
    "ML_DSA_65": ("ML_DSA_SHAKE_256", ""),
}
_ML_DSA: dict[str, Any] = {"ML_DSA_44": mldsa.MLDSA44PrivateKey, "ML_DSA_65": mldsa.MLDSA65PrivateKey}


def bare(spec: str, seconds: int) -> tuple[float, str]:
    """(signatures per second on one core without any service, by what)."""
    name = SPECS[spec][1]
    if name:
        done = subprocess.run(
            ["openssl", "speed", "-seconds", str(seconds), name], capture_output=True, text=True, check=True
        )
        figures = [float(each) for each in re.findall(r"\d+\.\d+|\d+", done.stdout.strip().splitlines()[-1])]
        return figures[-2], "openssl"
    key = _ML_DSA[spec].generate()
    number, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        key.sign(b"message" * 8)
        number += 1
    return number / seconds, "cryptography"


def run(client: Any, folder: Path, url: str, credentials: Credentials, seconds: int, measure: Any) -> list[str]:
    """The table, for a server whose `client` may create keys and whose `credentials` may use them."""
    import base64

    lines = ["| key spec | Sign/s at 16 connections | one core without a service, signatures/s | by | share |"]
    lines.append("|---|---:|---:|---|---:|")
    for spec, (algorithm, _) in SPECS.items():
        key = client.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        calls = [
            (
                "Sign",
                {
                    "KeyId": key,
                    "Message": base64.b64encode(os.urandom(64)).decode(),
                    "MessageType": "RAW",
                    "SigningAlgorithm": algorithm,
                },
            )
            for _ in range(200)
        ]
        script = write_script(folder, f"sign-{spec}", url, credentials, calls)
        ours = measure(script, url, 16, seconds)
        if ours.failures:
            raise SystemExit(f"{ours.failures} Sign requests of {spec} were not answered with 200")
        theirs, by = bare(spec, max(1, seconds // 2))
        lines.append(f"| {spec} | {ours.rate:,.0f} | {theirs:,.0f} | {by} | {ours.rate / theirs:.2f} |")
        print(lines[-1], flush=True)
    return lines
