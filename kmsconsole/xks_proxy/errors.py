"""The errors of the XKS proxy API: names and status codes as in the specification's table."""

from __future__ import annotations

from engine.hsm.token import Reason

STATUS = {
    "ValidationException": 400,
    "InvalidStateException": 400,
    "InvalidCiphertextException": 400,
    "InvalidKeyUsageException": 400,
    "AuthenticationFailedException": 401,
    "AccessDeniedException": 403,
    "KeyNotFoundException": 404,
    "InvalidUriPathException": 404,
    "ThrottlingException": 429,
    "InternalException": 500,
    "UnsupportedOperationException": 501,
    "DependencyTimeoutException": 503,
}
_LONGEST_MESSAGE = 511

# What a token's failure is to the caller.
OF_TOKEN = {
    Reason.NO_KEY: "KeyNotFoundException",
    Reason.INVALID: "InvalidCiphertextException",
    Reason.SLOW: "DependencyTimeoutException",
    Reason.BUSY: "ThrottlingException",
}


class ProxyError(Exception):
    """Becomes an error answer. `message` is for the caller: printable ASCII, shorter than 512 characters, without secrets."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.name = name
        self.status = STATUS[name]
        self.message = "".join(each if " " <= each <= "~" else "?" for each in message)[:_LONGEST_MESSAGE]


def of_token(reason: Reason) -> ProxyError:
    return ProxyError(OF_TOKEN.get(reason, "InternalException"), f"The external key manager: {reason.value}.")
