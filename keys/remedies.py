"""AWS's errors in plain words, and what would mend each: shown under the error, never instead of it."""

from __future__ import annotations

from django.utils.translation import gettext as _


def remedy(operation: str, code: str, message: str) -> str:
    """One or two sentences for an error of a KMS operation; empty where the error says all there is to say."""
    if code == "InvalidCiphertextException":
        return _(
            "The ciphertext did not open: it was changed or cut, belongs to another key, or was made with another encryption "
            "context. Context must be the same, name by name and letter by letter, as when it was encrypted."
        )
    if code == "AccessDeniedException":
        if "explicit deny" in message:
            return _("A statement with Effect Deny matches this call. It wins over every Allow; change or narrow it.")
        return _(
            "No policy allows this. Either the key policy names you for this action, or it trusts the account and a policy of "
            "yours or of your group allows it."
        )
    if code == "DisabledException":
        return _(
            "The key is disabled. Whoever administers it can enable it on its page; its ciphertexts open again then."
        )
    if code == "KMSInvalidStateException":
        return _("The key's state does not allow this now: see its page for deletion or import that is pending.")
    if code == "NotFoundException":
        return _("There is no such key or alias in this account and Region. Was it made in another Region?")
    if code == "InvalidKeyUsageException":
        return _(
            "The key was made for another use, or its spec lacks this algorithm. Use and spec of a key never change."
        )
    if code == "KMSInvalidSignatureException":
        return _(
            "The signature is not this key's over this message with this algorithm: it, the message or the type differs."
        )
    if code == "KMSInvalidMacException":
        return _("The MAC is not this key's over this message.")
    if code == "IncorrectKeyException":
        return _(
            "The ciphertext was made under another key than the one chosen. Leave the key out to let it name its own."
        )
    if code == "ValidationException" and operation == "Encrypt":
        return _(
            "Up to 4,096 bytes can be encrypted directly; an asymmetric key takes less. Larger data needs a data key."
        )
    return ""
