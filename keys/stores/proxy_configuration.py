"""The proxy configuration file that a proxy's administrator hands out, and that AWS's console takes too: the path and the credential.

Source: AWS KMS External Key Store Proxy API Specification, "XKS proxy configuration in AWS KMS console".
"""

from __future__ import annotations

from typing import Any

import orjson

LARGEST = 16 << 10  # bytes
_CREDENTIAL = "XksProxyAuthenticationCredential"


class ConfigurationFileError(ValueError):
    """It is not such a file."""


def read(content: bytes) -> dict[str, str]:
    """Fields of the form → values. Other members are passed over. Raises ConfigurationFileError."""
    try:
        found: Any = orjson.loads(content)
        credential = found[_CREDENTIAL]
        values = {
            "path": found["XksProxyUriPath"],
            "access_key_id": credential["AccessKeyId"],
            "secret": credential["RawSecretAccessKey"],
        }
    except (orjson.JSONDecodeError, LookupError, TypeError):
        raise ConfigurationFileError from None  # the reason may have the secret
    if not all(isinstance(value, str) for value in values.values()):
        raise ConfigurationFileError
    return values
