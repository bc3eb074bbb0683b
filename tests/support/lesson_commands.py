"""How each lesson is done in a shell, and a wrong path of each with what is then said: for tests of the lessons.

A lesson is done by the commands that its page prints, as they stand there; what a learner has to put in, what another person does and
what a lesson leaves to its learner is here. The wrong paths use the printed commands of single steps too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Printed = Mapping[str, str]  # a step's name → its commands
PARTNER = "pat"  # another user of the student's account: $PARTNER_ID, $PARTNER_SECRET


@dataclass(frozen=True)
class LessonPath:
    """`wrong`: the commands of the wrong path, of the answers (step → numbers) or of the form (address → fields) that are it; `step` is
    then not ticked, and its `hint` begins so. `refused`: the errors that the lesson's own commands meet, in their order."""

    step: str
    hint: str
    wrong: str | Callable[[Printed], str] = ""
    wrong_answer: tuple[int, ...] = ()
    wrong_form: tuple[str, dict[str, str]] | None = None
    refused: tuple[str, ...] = ()
    commands: str = ""  # of a lesson that prints none
    put_in: dict[str, str] = field(default_factory=dict)
    partners: tuple[str, ...] = ()  # steps that the partner does
    typed: str = ""  # what a command asks for
    forms: tuple[tuple[str, dict[str, str]], ...] = ()  # what only a page does
    first_key: bool = False  # the lesson that everybody's key and alias are from
    real: bool = False  # by processes of `aws`, else by forks of one


_EXAM = """
EXAM_KEY=$(aws kms create-key --tags TagKey=exam,TagValue=mine --query KeyMetadata.KeyId --output text)
echo "the launch code is 1234" > secret.txt
aws kms encrypt --key-id "$EXAM_KEY" --plaintext fileb://secret.txt --encryption-context purpose=exam \
    --query CiphertextBlob --output text | base64 --decode > old.enc
open_old() { aws kms decrypt --ciphertext-blob fileb://old.enc --encryption-context purpose=exam; }
open_old
aws kms generate-data-key-without-plaintext --key-id "$EXAM_KEY" --key-spec AES_256 \
    --query CiphertextBlob --output text | base64 --decode > data-key.enc
aws kms decrypt --ciphertext-blob fileb://data-key.enc
aws kms rotate-key-on-demand --key-id "$EXAM_KEY"
open_old
aws kms disable-key --key-id "$EXAM_KEY"
open_old
aws kms enable-key --key-id "$EXAM_KEY"
HMAC_KEY=$(aws kms create-key --key-spec ECC_NIST_P256 --key-usage SIGN_VERIFY --query KeyMetadata.KeyId --output text)
aws kms sign --key-id "$HMAC_KEY" --message fileb://secret.txt --signing-algorithm ECDSA_SHA_256 \
    --query Signature --output text | base64 --decode > secret.sig
verify() { aws kms verify --key-id "$HMAC_KEY" --message "$1" --signing-algorithm ECDSA_SHA_256 --signature fileb://secret.sig; }
verify fileb://secret.txt
verify forged
"""
_MAY_USE_AS_WELL = """
BOTH='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "'$ARN'"},
    "Action": ["kms:PutKeyPolicy", "kms:Encrypt"], "Resource": "*"}]}'
BOTH_KEY=$(aws kms create-key --policy "$BOTH" --query KeyMetadata.KeyId --output text)
aws kms encrypt --key-id "$BOTH_KEY" --plaintext secret
"""
_SERVICES = "/lab/services/"

PATHS: dict[str, LessonPath] = {
    "what-is-kms": LessonPath("managed", "What has to do with machines", wrong_answer=(1, 3), real=True),
    "managed-keys": LessonPath(
        "cannot-disable",
        "This call was answered, so it was not about the AWS managed key",
        wrong='aws kms disable-key --key-id "$KEY"',
        refused=("AccessDeniedException",),
    ),
    "first-key": LessonPath(
        "create-key",
        "You made a key of another kind",
        wrong="aws kms create-key --key-spec RSA_2048 --key-usage ENCRYPT_DECRYPT",
        first_key=True,
    ),
    "data-key": LessonPath(
        "without-plaintext",
        "That was GenerateDataKey",
        wrong="aws kms generate-data-key --key-id alias/mine --key-spec AES_256",
    ),
    "key-attributes": LessonPath(
        "export",
        "This key has a public half",
        wrong="""OTHER_KEY=$(aws kms create-key --key-spec RSA_2048 --key-usage SIGN_VERIFY --query KeyMetadata.KeyId --output text)
            aws kms get-public-key --key-id "$OTHER_KEY" --query KeyId""",
        refused=("UnsupportedOperationException",),
    ),
    "users-and-a-group": LessonPath(
        "create-group",
        "IAM does not take this name",
        wrong='aws iam create-group --group-name "MY KMS GROUP"',
    ),
    "administrators-apart": LessonPath(
        "cannot-use",
        "This call was answered: the policy lets you use",
        wrong=_MAY_USE_AS_WELL,
        refused=("AccessDeniedException",) * 2,
        put_in={"user/PARTNER": f"user/{PARTNER}", "ID-OF-THE-KEY": '"$APART_KEY"'},
        partners=("partner-uses", "partner-cannot-manage"),
    ),
    "asymmetric-keys": LessonPath(
        "verify-a-forgery",
        "This signature is right",
        wrong=lambda printed: (
            printed["create-signing-key"]
            + printed["sign"]
            + printed["verify-a-forgery"].replace("fileb://forged.txt", "fileb://contract.txt")
        ),
        refused=("KMSInvalidSignatureException",),
    ),
    "imported-material": LessonPath(
        "bring-back",
        "This is not the material that the key had",
        wrong=lambda printed: (
            "".join(printed[step] for step in ("create-key", "parameters", "bring", "lose"))
            + "openssl rand -out material.bin 32\n"
            + printed["bring-back"]
        ),
        refused=("KMSInvalidStateException",),
    ),
    "custom-key-store": LessonPath(
        "create-key",
        "The key's material is not in the store",
        wrong="aws kms create-key",
        refused=("KMSInvalidStateException",),
    ),
    "moved-alias": LessonPath(
        "open-old",
        "You named the alias",
        wrong=lambda printed: (
            "".join(printed[step] for step in ("encrypt-by-alias", "second-key", "move"))
            + "aws kms decrypt --key-id alias/mine --ciphertext-blob fileb://before.enc"
        ),
    ),
    "encrypt-a-secret": LessonPath(
        "encrypt",
        "That was the console",
        wrong_form=("/play/encrypt/", {"run": "1", "KeyId": "{key}", "Plaintext": "x", "Plaintext_as": "text"}),
        refused=("InvalidCiphertextException",),
        typed="{access_key}\n{secret}\nus-east-1\njson\n",
    ),
    "rotation": LessonPath(
        "decrypt-old",
        "Since the rotation you have encrypted",
        wrong=lambda printed: printed["encrypt"] + printed["rotate"] + printed["encrypt"],
    ),
    "disabled-key": LessonPath(
        "refused",
        "This call was answered: it used another key",
        wrong=lambda printed: (
            printed["disable"]
            + """
            OTHER_KEY=$(aws kms create-key --query KeyMetadata.KeyId --output text)
            aws kms encrypt --key-id "$OTHER_KEY" --plaintext secret"""
        ),
        refused=("DisabledException",),
    ),
    "envelope": LessonPath(
        "find-the-limit",
        "That was encrypted",
        wrong="aws kms encrypt --key-id alias/mine --plaintext small",
        refused=("ValidationException",),
    ),
    "encryption-context": LessonPath(
        "other-context",
        "Refused, but for another reason",
        wrong=lambda printed: printed["encrypt"] + "aws kms decrypt --ciphertext-blob fileb://customer17.enc",
        refused=("InvalidCiphertextException", "AccessDeniedException"),
    ),
    "integrated-services": LessonPath(
        "tick-a-service",
        "That call was your own",
        wrong="aws kms encrypt --key-id alias/mine --plaintext secret",
        forms=(
            (_SERVICES, {"apply": "1", "tick": "s3", "key-s3": "{key}"}),
            (_SERVICES, {"read": "s3"}),
            (_SERVICES, {"disable": "s3"}),
        ),
    ),
    "who-may-do-what": LessonPath(
        "be-refused",
        "The policy denies it to somebody else",
        wrong=lambda printed: (
            printed["deny-yourself"].replace("user/who-may-do-what", f"user/{PARTNER}") + printed["be-refused"]
        ),
        refused=("AccessDeniedException",),
    ),
    "deletion": LessonPath(
        "decrypt",
        "A saved key is Disabled",
        wrong=lambda printed: printed["encrypt"] + printed["schedule"] + printed["cancel"] + printed["refused"],
        refused=("KMSInvalidStateException",),
    ),
    "audit-trail": LessonPath(
        "events-of-a-key",
        "You read events, but not those of one key",
        wrong="aws cloudtrail lookup-events --max-results 1",
    ),
    "exam": LessonPath(
        "key",
        "The key was made without a tag",
        wrong="aws kms create-key",
        commands=_EXAM,
        refused=("DisabledException", "KMSInvalidSignatureException"),
    ),
}
