"""AWS's errors in plain words, and what would mend each: shown under the error, never instead of it."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django.utils.translation import gettext_lazy as _

from console.awsmodel import service_model

# Error code → what it means and what helps, where that does not depend on the operation.
_REMEDIES: dict[str, Any] = {
    "InvalidCiphertextException": _(
        "The ciphertext did not open: it was changed or cut, belongs to another key, or was made with another encryption "
        "context. Context must be the same, name by name and letter by letter, as when it was encrypted."
    ),
    "DisabledException": _(
        "The key is disabled. Whoever administers it can enable it on its page; its ciphertexts open again then."
    ),
    "KMSInvalidStateException": _(
        "The key's state does not allow this now: see its page for deletion or import that is pending."
    ),
    "NotFoundException": _("There is no such key or alias in this account and Region. Was it made in another Region?"),
    "InvalidKeyUsageException": _(
        "The key was made for another use, or its spec lacks this algorithm. Use and spec of a key never change."
    ),
    "KMSInvalidSignatureException": _(
        "The signature is not this key's over this message with this algorithm: it, the message or the type differs."
    ),
    "KMSInvalidMacException": _("The MAC is not this key's over this message with this algorithm."),
    "IncorrectKeyException": _(
        "The ciphertext was made under another key than the one chosen. Leave the key out to let it name its own."
    ),
    "InvalidGrantTokenException": _(
        "A grant token is not one this service gave. It is the GrantToken of CreateGrant's answer, not the grant's ID; "
        "some minutes after the grant was made no token is needed."
    ),
    "KeyUnavailableException": _(
        "The key cannot be reached just now. Try again; a custom key store may be disconnected."
    ),
    "CustomKeyStoreNotFoundException": _(
        "There is no custom key store with this ID in this account and Region. Choose one of the list of custom key stores."
    ),
    "CustomKeyStoreInvalidStateException": _(
        "The custom key store's connection does not allow this now. See on its page whether it is connected, or still connecting."
    ),
    "DependencyTimeoutException": _("The service did not answer in time. The same call can be sent again."),
    "KMSInternalException": _("The service failed within itself. The same call can be sent again."),
    "DryRunOperationException": _("The dry run passed: without it the call would have been carried out."),
    "ThrottlingException": _("More calls than the account's quota allows. Wait a moment and send fewer at once."),
    "LimitExceededException": _("A quota of the account or the key is used up: remove what is no longer needed first."),
    "AlreadyExistsException": _(
        "This name is taken in this account and Region. Choose another, or change what it points to."
    ),
    "InvalidAliasNameException": _(
        "An alias is alias/ and letters, digits, / _ and -; it does not begin with alias/aws/, which is AWS's own."
    ),
    "NotAuthorizedException": _(
        "Aliases that begin with alias/aws/ are AWS's own: nobody else makes, changes or deletes them."
    ),
    "InvalidArnException": _("This is no ARN of a principal or key that exists. Check account, kind and spelling."),
    "MalformedPolicyDocumentException": _(
        "The policy does not follow the policy language, names a principal that does not exist, or would lock you out."
    ),
    "UnsupportedOperationException": _("Keys of this spec, origin or usage do not have this operation."),
    "TagException": _("A tag's key or value is too long, twice there, or has characters that tags do not have."),
    "InvalidImportTokenException": _(
        "The import token is not the one that was given with this key's wrapping public key. Download both together anew."
    ),
    "ExpiredImportTokenException": _(
        "The import token is older than 24 hours. Download a wrapping public key and token anew."
    ),
    "IncorrectKeyMaterialException": _(
        "The key material is not what this key has had, or not of its spec. To replace it, import it as new key material."
    ),
    "IncorrectTrustAnchorException": _("The certificate is not the trust anchor of the cluster."),
    "CustomKeyStoreNameInUseException": _(
        "Names of custom key stores are unique in an account and Region. Choose another."
    ),
    "CustomKeyStoreHasCMKsException": _(
        "Schedule the deletion of all keys of the store, and delete it when their waiting periods are over."
    ),
    "CloudHsmClusterNotFoundException": _(
        "No cluster with this ID is registered. An administrator of the installation registers one and has its ID."
    ),
    "CloudHsmClusterInUseException": _(
        "A cluster, or one with the same trust anchor, belongs to one custom key store of an account. Use that store."
    ),
    "CloudHsmClusterNotActiveException": _("The cluster's device does not answer. Have it started, then try again."),
    "CloudHsmClusterNotRelatedException": _(
        "A store can only change to a cluster that was made from a backup of its own, with the same trust anchor certificate."
    ),
    "XksProxyUriUnreachableException": _(
        "The proxy did not answer at this endpoint. Check the host name, its certificate, and that a firewall lets the service through."
    ),
    "XksProxyIncorrectAuthenticationCredentialException": _(
        "The proxy does not accept the credential. Enter the one that its administrator made for this URI path."
    ),
    "InvalidMarkerException": _("The list has changed. Start again from its first page."),
    "InvalidGrantIdException": _("The grant no longer exists: it was revoked or retired."),
    "ConflictException": _("Another change of the same key is under way. Try again in a moment."),
    "UnrecognizedClientException": _("The access key of this session is gone or inactive. Sign in again."),
    "ExpiredTokenException": _("The session has ended. Sign in again."),
}

# What depends on the operation too.
_FOR_OPERATION: dict[tuple[str, str], Any] = {
    ("Encrypt", "ValidationException"): _(
        "Up to 4,096 bytes can be encrypted directly; an asymmetric key takes less. Larger data needs a data key."
    ),
    ("Sign", "ValidationException"): _(
        "A message has 4,096 bytes at most; a digest must be as long as the signing algorithm's hash, and is sent as DIGEST."
    ),
    ("Verify", "ValidationException"): _(
        "A digest must be as long as the signing algorithm's hash, and is sent as DIGEST."
    ),
    ("DeriveSharedSecret", "ValidationException"): _(
        "The public key has to be one of the same curve as the key, as SubjectPublicKeyInfo in DER: what GetPublicKey answers."
    ),
    ("Decapsulate", "InvalidCiphertextException"): _(
        "The ciphertext is not as long as the key's spec makes it. It is the ciphertext of Encapsulate's answer."
    ),
    ("GenerateDataKey", "ValidationException"): _("Give either the kind of data key or a number of bytes, not both."),
    ("GenerateDataKeyWithoutPlaintext", "ValidationException"): _(
        "Give either the kind of data key or a number of bytes, not both."
    ),
    ("ImportKeyMaterial", "InvalidCiphertextException"): _(
        "The wrapped material did not open: it was wrapped under another public key, or with another algorithm than the one "
        "chosen when the public key was downloaded. Wrap it again with the public key that came with this token."
    ),
    ("ImportKeyMaterial", "IncorrectKeyMaterialException"): _(
        "The material opened, but is not of the key's spec (raw bytes of its length, or a private key as PKCS #8 in DER), or "
        "not the material the key has had. A symmetric key takes other material as new key material."
    ),
    ("ImportKeyMaterial", "InvalidImportTokenException"): _(
        "The import token is not this key's. Upload ImportToken.bin of the archive that was downloaded for this very key."
    ),
    ("ImportKeyMaterial", "ExpiredImportTokenException"): _(
        "The import token is older than 24 hours. Download a wrapping public key and token anew, and wrap the material "
        "under the new public key: the old one does not go with the new token."
    ),
    ("ImportKeyMaterial", "KMSInvalidStateException"): _(
        "Either the key is pending deletion: cancel the deletion first. Or new key material waits already: rotate to it "
        "or delete it, then import other material."
    ),
    ("ImportKeyMaterial", "UnsupportedOperationException"): _(
        "Only a key whose origin is External takes key material, and new material of a multi-Region key goes into the "
        "primary key first."
    ),
    ("ImportKeyMaterial", "ValidationException"): _(
        "The time of expiry must be in the future, at most 365 days ahead. Descriptions, IDs and new key material are for symmetric "
        "keys alone, and new material has no ID yet. A file of the archive may be cut or the wrong one."
    ),
    ("GetParametersForImport", "UnsupportedOperationException"): _(
        "Only a key whose origin is External takes key material. RSA private keys need a wrapping algorithm that begins "
        "with RSA_AES_KEY_WRAP; a P-521 key is too long for RSAES_OAEP under RSA_2048."
    ),
    ("GetParametersForImport", "KMSInvalidStateException"): _(
        "The key is pending deletion: cancel the deletion first."
    ),
}


def by_code() -> dict[str, str]:
    """Error code → what it means and what helps, in the language of the moment."""
    return {code: str(text) for code, text in _REMEDIES.items()}


def remedy(operation: str, code: str, message: str) -> str:
    """One or two sentences for an error of a KMS operation; empty where the error says all there is to say."""
    if code.startswith("AccessDenied"):
        if "explicit deny" in message:
            return str(
                _("A statement with Effect Deny matches this call. It wins over every Allow; change or narrow it.")
            )
        if "perform: kms:" not in message:
            return str(_("No policy allows this: a policy of yours, or of a group you are in, has to."))
        return str(
            _(
                "No policy allows this. Either the key policy names you for this action, or it trusts the account and a policy "
                "of yours or of your group allows it."
            )
        )
    if code == "KMSInvalidStateException":
        if " is unavailable" in message or "CloudHSM cluster" in message:
            return str(_REMEDIES["KeyUnavailableException"])
        if "external key" in message:
            return ""  # AWS's own sentence says what helps
    return str(_FOR_OPERATION.get((operation, code)) or _REMEDIES.get(code, ""))


def of_operation(operation: str) -> dict[str, str]:
    """Error code → what it means and what helps, for the errors that the service model names for an operation of KMS."""
    shapes = service_model("kms").operation_model(operation).error_shapes
    return {code: remedy(operation, code, "") for code in (*(each.name for each in shapes), "ValidationException")}


def explained(error: ClientError) -> dict[str, str]:
    """AWS's Code and Message, with the `remedy` beside them: what a page shows of a refused call."""
    details = error.response["Error"]
    code, message = details["Code"], details.get("Message", "")
    return {"Code": code, "Message": message, "remedy": remedy(error.operation_name, code, message)}
