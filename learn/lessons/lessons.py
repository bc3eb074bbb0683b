"""The lessons, one row each: what to do, why it matters, and what in the record of calls proves that it was done. Pure.

A command is for a POSIX shell, with the places {alias}, {key}, {user} and {account}. The words are the page's; AWS's own stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _

from learn.lessons import checks
from learn.lessons.checks import by_program, done, given, looks_by, opened, refused, through_service
from learn.lessons.key_stores import KEY_STORE
from learn.lessons.lesson import EVENTS, KEY, Lesson, Step

__all__ = ["BY_SLUG", "EVENTS", "FOR_STUDENTS", "KEY", "LESSONS", "Lesson", "Step", "operations"]

_NEXT = " \\\n    "  # the shell's way to go on in the next line
_TO_FILE = f"{_NEXT}--query CiphertextBlob --output text |\n    base64 --decode > "
_ENCRYPT = f"aws kms encrypt --key-id {{alias}}{_NEXT}--plaintext fileb://secret.txt"
_DECRYPT = f"aws kms decrypt --ciphertext-blob fileb://%s{_NEXT}--query Plaintext --output text |\n    base64 --decode"


LESSONS: tuple[Lesson, ...] = (
    Lesson(
        "users-and-a-group",
        _("Users and a group"),
        _(
            "Who may do what is said once, for a group. For whoever looks after an account; students begin with the next lesson."
        ),
        ("CreateGroup", "AttachGroupPolicy", "PutGroupPolicy", "CreateUser", "AddUserToGroup", "CreateAccessKey"),
        (
            Step(
                _("Make a group"),
                _(
                    "Its name may hold letters, digits and + = , . @ _ - only: “MY KMS GROUP” is refused, MY-KMS-GROUP is not."
                ),
                _("Permissions that are given to a group do not have to be taken from each person again."),
                "CreateGroup",
                done("CreateGroup"),
                ("group-new",),
                _("Create group"),
                "aws iam create-group --group-name MY-KMS-GROUP",
            ),
            Step(
                _("Give the group a policy"),
                _(
                    "On the group's page attach KeyStudent, one of the policies that each account has ready, or write one of your own."
                ),
                _(
                    "A user may do nothing until a policy says so. A key's own policy has to allow it too, or to leave it to the account's policies."
                ),
                "AttachGroupPolicy",
                done("AttachGroupPolicy", "PutGroupPolicy"),
                ("groups",),
                _("Groups"),
                "aws iam attach-group-policy --group-name MY-KMS-GROUP \\\n    --policy-arn arn:aws:iam::{account}:policy/practice/KeyStudent",
            ),
            Step(
                _("Make a user"),
                _("With a console password, so that somebody can sign in with it."),
                _("Each person has a name of its own in the record of calls. Shared names tell nothing afterwards."),
                "CreateUser",
                done("CreateUser"),
                ("user-new",),
                _("Create user"),
                "aws iam create-user --user-name sam-student",
            ),
            Step(
                _("Put the user into the group"),
                _("On the page of the group or of the user."),
                _(
                    "From this call on the group's policies are the user's, and without it no longer: at once, also for sessions that are open."
                ),
                "AddUserToGroup",
                done("AddUserToGroup"),
                ("groups",),
                _("Groups"),
                "aws iam add-user-to-group --group-name MY-KMS-GROUP --user-name sam-student",
            ),
            Step(
                _("Make an access key"),
                _("On the user's page. Its secret is shown this once: it goes to the person, and nowhere else."),
                _(
                    "Programs have no password. They sign each call with an access key, and the secret itself never crosses the wire."
                ),
                "CreateAccessKey",
                done("CreateAccessKey"),
                ("users",),
                _("Users"),
                "aws iam create-access-key --user-name sam-student",
            ),
        ),
        for_students=False,
    ),
    Lesson(
        "first-key",
        _("A first key"),
        _("A symmetric key, a name for it, its owner, and the policy that decides who may use it."),
        ("CreateKey", "CreateAlias", "TagResource", "PutKeyPolicy"),
        (
            Step(
                _("Create a symmetric key"),
                _(
                    "The wizard asks for all there is to choose; what it proposes will do. Give it the alias {alias} on the way."
                ),
                _("The key material is made inside KMS and never leaves it. What you get is a name to call it by."),
                "CreateKey",
                done("CreateKey", where=checks.symmetric),
                ("wizard",),
                _("Create key"),
                'KEY_ID=$(aws kms create-key --description "My first key" \\\n    --tags TagKey=owner,TagValue={user} --query KeyMetadata.KeyId --output text)\necho "$KEY_ID"',
            ),
            Step(
                _("Give it an alias"),
                _("Where the wizard has not done it already: {alias}."),
                _("Programs name the alias. Pointed to another key one day, they need not be changed."),
                "CreateAlias",
                done("CreateAlias"),
                ("key-tab", KEY, "aliases"),
                _("Aliases of the key"),
                "aws kms create-alias --alias-name {alias} --target-key-id {key}",
            ),
            Step(
                _("Write your name on it"),
                _("A tag owner with your user name, {user}."),
                _(
                    "The students' policy keeps everyone else from a key that is tagged with an owner. Without the tag it is common property of the class."
                ),
                "TagResource",
                done("CreateKey", "TagResource", where=checks.tags_its_owner),
                ("key-tab", KEY, "tags"),
                _("Tags of the key"),
                "aws kms tag-resource --key-id {key} --tags TagKey=owner,TagValue={user}",
            ),
            Step(
                _("Read its key policy, and change it"),
                _(
                    "Look for the statement that trusts the account: it lets IAM's policies have a say. Give it a Sid of your own, such as “Trust the account”, and save."
                ),
                _("Without its key policy nobody may do anything with a key, the account's administrators included."),
                "PutKeyPolicy",
                done("PutKeyPolicy"),
                ("key-policy-edit", KEY),
                _("Edit key policy"),
                "aws kms get-key-policy --key-id {key} --query Policy --output text > policy.json\n# edit policy.json, then\naws kms put-key-policy --key-id {key} --policy file://policy.json",
            ),
        ),
    ),
    Lesson(
        "encrypt-a-secret",
        _("Encrypt secret.txt with the AWS CLI"),
        _(
            "A program's way to a key: an access key, a file in, a file out. Any program that speaks to AWS works the same."
        ),
        ("GetCallerIdentity", "Encrypt", "Decrypt"),
        (
            Step(
                _("Tell the CLI who you are"),
                _(
                    "Give it your access key (from your hand-out, or made on your profile's page) and ask who it is that calls."
                ),
                _("Every call is signed. The answer names the user whose access key signed it."),
                "GetCallerIdentity",
                done("GetCallerIdentity", where=by_program),
                ("profile",),
                _("Your access keys"),
                "aws configure\naws sts get-caller-identity",
            ),
            Step(
                _("Encrypt a file"),
                _("The answer is base64; the second half of the command makes a file of it."),
                _("The file went to KMS and came back as a ciphertext. The key did not move."),
                "Encrypt",
                done("Encrypt", where=by_program),
                ("play", "encrypt"),
                _("The same in the playground"),
                "printf 'the launch code is 1234' > secret.txt\n" + _ENCRYPT + _TO_FILE + "secret.enc",
            ),
            Step(
                _("Decrypt it"),
                _("No key is named: the ciphertext itself says under which key it was made."),
                _(
                    "Whoever has the file but not the permission to call Decrypt has nothing. So the file may lie anywhere."
                ),
                "Decrypt",
                opened(by_program_only=True, of=frozenset({"Encrypt"})),
                ("play", "decrypt"),
                _("The same in the playground"),
                _DECRYPT % "secret.enc",
            ),
            Step(
                _("Bind it to a purpose"),
                _("The same with an encryption context: pairs of names and values that are no secret."),
                _(
                    "The context is not in the ciphertext, yet it must be the same again at Decrypt; and it stands in the record of every call."
                ),
                "Encrypt",
                done("Encrypt", where=lambda record: bool(given(record).get("encryptionContext"))),
                ("play", "encrypt"),
                _("The same in the playground"),
                _ENCRYPT + _NEXT + "--encryption-context purpose=lesson" + _TO_FILE + "bound.enc",
            ),
            Step(
                _("Leave the purpose out"),
                _("Decrypt it without the context. The refusal is what this step wants to see."),
                _(
                    "A ciphertext that was copied to another place does not open there: not for another table, customer or file name."
                ),
                "InvalidCiphertextException",
                refused("Decrypt", code="InvalidCiphertextException"),
                ("play", "decrypt"),
                _("The same in the playground"),
                "aws kms decrypt --ciphertext-blob fileb://bound.enc",
            ),
        ),
    ),
    Lesson(
        "rotation",
        _("Rotation"),
        _(
            "New key material under the same key: what is encrypted from now on is under the new one, and what was encrypted before still opens."
        ),
        (
            "Encrypt",
            "GenerateDataKey",
            "GenerateDataKeyWithoutPlaintext",
            "RotateKeyOnDemand",
            "Decrypt",
            "EnableKeyRotation",
        ),
        (
            Step(
                _("Have a ciphertext from before"),
                _("secret.enc of the lesson before will do, or make one."),
                _("It names the key material it was made with, not the key alone."),
                "Encrypt",
                done("Encrypt"),
                ("play", "encrypt"),
                _("Encrypt"),
                _ENCRYPT + _TO_FILE + "old.enc",
            ),
            Step(
                _("Rotate now"),
                _("On the key's page, under key material and rotations."),
                _("Key, alias and policy stay as they are: no program has to be told."),
                "RotateKeyOnDemand",
                checks.rotated_with_ciphertext,
                ("key-tab", KEY, "material"),
                _("Key material"),
                "aws kms rotate-key-on-demand --key-id {key}",
            ),
            Step(
                _("Open the old ciphertext"),
                _("Before you encrypt anything new with this key, so that there is no doubt which one was opened."),
                _("KMS keeps the material of before for as long as the key lives. Rotation takes nothing away."),
                "Decrypt",
                checks.old_ciphertext_opened,
                ("play", "decrypt"),
                _("Decrypt"),
                _DECRYPT % "old.enc",
            ),
            Step(
                _("Have it done each year"),
                _("Switch automatic rotation on; the period may be 90 to 2,560 days."),
                _("What a rule asks for is then done by the service, and the key's page says when."),
                "EnableKeyRotation",
                done("EnableKeyRotation"),
                ("key-tab", KEY, "material"),
                _("Key material"),
                "aws kms enable-key-rotation --key-id {key}\naws kms get-key-rotation-status --key-id {key}",
            ),
        ),
    ),
    Lesson(
        "disabled-key",
        _("A disabled key"),
        _("The emergency brake: everything that hangs on a key stops, and goes on when it is released."),
        ("DisableKey", "EnableKey", *sorted(checks.USES)),
        (
            Step(
                _("Disable the key"),
                _("On its page, under Key actions."),
                _("Unlike a deletion it can be undone; it is how one finds out who needs a key."),
                "DisableKey",
                done("DisableKey"),
                ("key", KEY),
                _("The key's page"),
                "aws kms disable-key --key-id {key}",
            ),
            Step(
                _("See what a program then sees"),
                _("Encrypt or decrypt with it. The refusal is what this step wants to see."),
                _(
                    "DisabledException is no matter of permission: administrators get it too. A program should say so and try again later."
                ),
                "DisabledException",
                checks.refused_while_disabled,
                ("play", "encrypt"),
                _("Encrypt"),
                _ENCRYPT,
            ),
            Step(
                _("Enable it again"),
                _("On the same page."),
                _("Nothing was lost meanwhile: the key material was there all the time."),
                "EnableKey",
                checks.enabled_again,
                ("key", KEY),
                _("The key's page"),
                "aws kms enable-key --key-id {key}",
            ),
            Step(
                _("Try it once more"),
                _("The same call as before is answered."),
                _("A change of a key's state takes effect at once, for every program."),
                "Encrypt",
                checks.used_again,
                ("play", "encrypt"),
                _("Encrypt"),
                _ENCRYPT + _NEXT + "--query KeyId",
            ),
        ),
    ),
    Lesson(
        "envelope",
        _("Envelope encryption"),
        _("How files of any size are encrypted: under a data key, of which only the encrypted copy is kept."),
        ("Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "Decrypt"),
        (
            Step(
                _("Find the limit"),
                _("Try to encrypt 5,000 bytes. The refusal is what this step wants to see."),
                _("4,096 bytes is all that Encrypt takes: KMS keeps keys, and is not there to carry files."),
                "ValidationException",
                refused("Encrypt", code="ValidationException", where=checks.too_long),
                command="head -c 5000 /dev/urandom > big.bin\naws kms encrypt --key-id {alias} --plaintext fileb://big.bin",
            ),
            Step(
                _("Ask for a data key"),
                _("In the lab you then encrypt a file of yours with it, here, without another call."),
                _(
                    "One small call for a file of any size. Plaintext to encrypt with and then forget, and the same encrypted, to keep beside the file."
                ),
                "GenerateDataKey",
                done("GenerateDataKey", where=lambda record: not through_service(record)),
                ("lab-envelope",),
                _("Envelope lab"),
                "aws kms generate-data-key --key-id {alias} --key-spec AES_256" + _TO_FILE + "data-key.enc",
            ),
            Step(
                _("Get the data key back"),
                _("Open the envelope again in the lab, or decrypt the encrypted data key."),
                _(
                    "Who may open the file is decided at each Decrypt, by the key's policy: also years after the file was written."
                ),
                "Decrypt",
                opened(of=frozenset({"GenerateDataKey", "GenerateDataKeyWithoutPlaintext"})),
                ("lab-envelope",),
                _("Envelope lab"),
                "aws kms decrypt --ciphertext-blob fileb://data-key.enc --query KeyId",
            ),
        ),
    ),
    Lesson(
        "integrated-services",
        _("Integrated services"),
        _("As easy as ticking a box: what S3, EBS and others then do with a key, and on whose behalf."),
        (*sorted(checks.USES), "CreateGrant"),
        (
            Step(
                _("Tick a service"),
                _("Choose a key of your own for it, not the one that AWS manages."),
                _("The service calls KMS with your permissions and says so: your name, and invokedBy the service."),
                "invokedBy",
                done(*sorted(checks.USES), "CreateGrant", where=lambda record: bool(through_service(record))),
                ("lab-services",),
                _("Integrated services"),
            ),
            Step(
                _("Read something back"),
                _("With its button, for S3 as an example."),
                _(
                    "Each object has a data key of its own, and its encryption context names it: one Decrypt for each that is read."
                ),
                "Decrypt",
                done("Decrypt", where=lambda record: bool(through_service(record))),
                ("lab-services",),
                _("Integrated services"),
            ),
            Step(
                _("Take the key away"),
                _("Disable the key and read: the refusal is what this step wants to see. Enable it again afterwards."),
                _(
                    "That is what a key of one's own is for: the data lies with the service, and who opens it is yours to say."
                ),
                "DisabledException",
                refused(
                    *sorted(checks.USES), code="DisabledException", where=lambda record: bool(through_service(record))
                ),
                ("lab-services",),
                _("Integrated services"),
            ),
        ),
    ),
    KEY_STORE,
    Lesson(
        "audit-trail",
        _("Reading the audit trail"),
        _("Every step that was ticked here was found in the record of calls. Read it yourself."),
        ("LookupEvents", "ReadRecord"),
        (
            Step(
                _("The events of one key"),
                _("Who did what with it, from the first CreateKey on; refusals too."),
                _("An auditor asks by key: who has used it, and who has tried to."),
                "LookupEvents",
                done("LookupEvents", "ReadRecord", where=looks_by("ResourceName")),
                (EVENTS,),
                _("Events of the key"),
                "aws cloudtrail lookup-events --max-results 10 \\\n    --lookup-attributes AttributeKey=ResourceName,AttributeValue={key} \\\n    --query 'Events[].[EventTime,Username,EventName]' --output table",
            ),
            Step(
                _("One event whole"),
                _("Open one: who, when, from where, with which access key, what was asked and what was answered."),
                _("Neither the plaintext nor a password is in it: the record can be shown to whoever has to read it."),
                "LookupEvents",
                done("LookupEvents", where=looks_by("EventId")),
                ("audit",),
                _("Audit"),
            ),
            Step(
                _("From a program"),
                _("What you have done last yourself, by the CLI."),
                _("A program can watch the record as well as a person. This very call is in it, too."),
                "LookupEvents",
                done("LookupEvents", where=by_program),
                (),
                "",
                "aws cloudtrail lookup-events --max-results 10 \\\n    --lookup-attributes AttributeKey=Username,AttributeValue={user} \\\n    --query 'Events[].EventName'",
            ),
        ),
    ),
)
BY_SLUG = {lesson.slug: lesson for lesson in LESSONS}
FOR_STUDENTS = tuple(lesson for lesson in LESSONS if lesson.for_students)


def operations(lessons: Sequence[Lesson] = LESSONS) -> tuple[str, ...]:
    """Every operation whose records the lessons' checks read."""
    return tuple(dict.fromkeys(name for lesson in lessons for name in lesson.operations))
