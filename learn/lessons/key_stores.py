"""The lesson of custom key stores: from a cluster to a key whose material never leaves its token, and what a disconnected store does to it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from learn.lessons import checks
from learn.lessons.checks import done
from learn.lessons.lesson import Lesson, Step

_STORE = '"$STORE_ID"'

KEY_STORE = Lesson(
    "custom-key-store",
    _("A key in a custom key store"),
    _(
        "Key material that is made in a device of your own and never leaves it. For whoever looks after an account: an administrator of the "
        "installation registers the device."
    ),
    (
        *("CreateCustomKeyStore", "ConnectCustomKeyStore", "DisconnectCustomKeyStore", "CreateKey"),
        *sorted(checks.USES),
    ),
    (
        Step(
            _("Create a key store"),
            _(
                "For training the cluster is a SoftHSM token, which the first command makes on the server's machine. It prints the cluster's ID and "
                "where its trust anchor certificate is; the PIN that you choose is the password of kmsuser."
            ),
            _(
                "The certificate says which cluster it has to be; the password lets KMS work in it. The store keeps it wrapped."
            ),
            "CreateCustomKeyStore",
            done("CreateCustomKeyStore", where=checks.cloudhsm_store),
            ("store-new", "cloudhsm"),
            _("Create key store"),
            "python manage.py create_training_token\n"
            "STORE_ID=$(aws kms create-custom-key-store --custom-key-store-name training \\\n"
            '    --cloud-hsm-cluster-id "$CLUSTER_ID" --trust-anchor-certificate file://customerCA.crt \\\n'
            '    --key-store-password "$PIN" --query CustomKeyStoreId --output text)',
        ),
        Step(
            _("Connect it"),
            _(
                "On its page. The answer comes at once; the page follows the connection until it is there, or says what is wrong."
            ),
            _("KMS logs in to the token as kmsuser. Keys can be made and used only while a store is connected."),
            "ConnectCustomKeyStore",
            done("ConnectCustomKeyStore"),
            ("stores",),
            _("Custom key stores"),
            f"aws kms connect-custom-key-store --custom-key-store-id {_STORE}\n"
            f"aws kms describe-custom-key-stores --custom-key-store-id {_STORE}",
        ),
        Step(
            _("Create a key in it"),
            _("In the wizard choose the key store as origin of the key material."),
            _("The token makes the material, not extractable. KMS has a name and a policy for it, and no copy."),
            "CreateKey",
            checks.made_in_store,
            ("wizard",),
            _("Create key"),
            f"aws kms create-key --origin AWS_CLOUDHSM --custom-key-store-id {_STORE}",
        ),
        Step(
            _("Encrypt with it"),
            _("As with any other key, here or by the CLI."),
            _(
                "The plaintext goes to the token and comes back encrypted. A program does not see where a key's material is."
            ),
            "Encrypt",
            checks.used_in_store,
            ("play", "encrypt"),
            _("Encrypt"),
            "aws kms encrypt --key-id {key} --plaintext fileb://secret.txt",
        ),
        Step(
            _("Disconnect the store"),
            _("On its page."),
            _(
                "Whoever owns the device can take it away from the service at any time. That is what such a store is for."
            ),
            "DisconnectCustomKeyStore",
            checks.store_disconnected,
            ("stores",),
            _("Custom key stores"),
            f"aws kms disconnect-custom-key-store --custom-key-store-id {_STORE}",
        ),
        Step(
            _("See what a program then sees"),
            _("Encrypt or decrypt with the key. The refusal is what this step wants to see."),
            _("The key is Unavailable, not disabled: its policy still allows everything, and nobody can use it."),
            "KMSInvalidStateException",
            checks.refused_while_disconnected,
            ("play", "encrypt"),
            _("Encrypt"),
            "aws kms encrypt --key-id {key} --plaintext fileb://secret.txt",
        ),
        Step(
            _("Connect it again, and use the key"),
            _("What was encrypted before opens as before."),
            _(
                "Nothing was lost: the material was in the token all the time. Had the token been lost, everything would be."
            ),
            "Decrypt",
            checks.used_after_reconnection,
            ("stores",),
            _("Custom key stores"),
            f"aws kms connect-custom-key-store --custom-key-store-id {_STORE}\n"
            "aws kms encrypt --key-id {key} --plaintext fileb://secret.txt",
        ),
    ),
    for_students=False,
)
