"""How each lesson is done by the pages that it leads to, in a browser: for tests of the lessons.

A step without a page is done by a call, as a program would.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from playwright.sync_api import Locator, Page

from tests.support import key_stores
from tests.support.lesson_students import Student

SECRET = "the launch code is 1234"
ALIAS = "alias/mine"
_KEY_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BUTTON = "button[type=submit]:visible:not([name=preview], [name=narrow], [name=more], [name=skip])"


class Walk:
    """A student with a browser, on the way through a lesson."""

    def __init__(self, student: Student, page: Page) -> None:
        self.student, self.page, self.key = student, page, student.key
        self.kms = student.client()
        page.goto(student.address)
        found = page.locator(".lab-steps > li").evaluate_all(
            "steps => steps.map(step => [step.id, step.querySelector('.actions a.button')?.getAttribute('href') || ''])"
        )
        self.links: dict[str, str] = dict(found)

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.student.card['account']}:user/{self.student.card['user']}"

    def open(self, step: str) -> None:
        """The page to which the step's button leads."""
        assert self.links[step], step
        self.page.goto(self.links[step])

    def put(self, **fields: str) -> None:
        for name, value in fields.items():
            found = self.page.locator(f'main [name="{name}"]:not([type=hidden])')
            kind = found.first.evaluate("field => field.type || field.tagName")
            found.first.evaluate("field => field.closest('details') && (field.closest('details').open = true)")
            if kind in ("radio", "checkbox"):
                (found.and_(self.page.locator(f'[value="{value}"]')) if value else found.first).check()
            elif kind.startswith("select"):
                found.first.select_option(value)
            else:
                found.first.fill(value)

    def form(self, field: str) -> Locator:
        return self.page.locator("main form").filter(has=self.page.locator(f'[name="{field}"]')).first

    def send(self, says: str, **fields: str) -> None:
        """The form with these fields; the page then says so."""
        self.put(**fields)
        self.form(next(iter(fields))).locator(_BUTTON).last.click()
        self.said(says)

    def said(self, says: str) -> None:
        self.page.get_by_text(says).first.wait_for()

    def press(self, name: str, says: str) -> None:
        self.page.locator("main, dialog[open]").get_by_role("button", name=name, exact=True).last.click()
        self.said(says)

    def play(self, step: str, **fields: str) -> str:
        """An operation of the playground; what it answered."""
        self.open(step)
        self.put(**fields)
        self.page.locator("#play-form .actions button.button-primary").click()
        self.page.locator("#result[autofocus]").wait_for()
        return self.page.locator("#outcome").inner_text()

    def blob(self, member: str = "CiphertextBlob") -> str:
        return self.page.locator(f"#blob-{member}").inner_text()

    def encrypt(self, step: str, **more: str) -> str:
        self.play(step, KeyId_other=self.key, Plaintext=SECRET, **more)
        return self.blob()

    def decrypt(self, step: str, sealed: str, **more: str) -> None:
        answered = self.play(step, CiphertextBlob=sealed, **more)
        assert SECRET in answered or "Exception" not in answered, answered

    def refused(self, step: str, error: str, **fields: str) -> None:
        assert error in self.play(step, **fields)

    def wizard(self, step: str, alias: str, policy: str = "", **configuration: str) -> str:
        """The key's ID."""
        self.open(step)
        self.put(**configuration)
        self.page.get_by_role("button", name="Next", exact=True).click()
        self.page.get_by_label("Alias", exact=True).fill(alias)
        self.page.get_by_role("button", name="Skip to review").click()
        if policy:
            self.page.locator("a[href*='/new/policy/']").last.click()
            self.put(policy=policy)
            self.page.get_by_role("button", name="Next", exact=True).click()
        self.page.get_by_role("button", name="Finish").click()
        self.said(f"Your key was created with alias {alias} and key ID")
        found = _KEY_ID.search(self.page.locator("main").inner_text())
        assert found is not None
        self.key = found[0]
        return self.key

    def act(self, step: str, action: str, button: str, says: str) -> None:
        """An action of the key's page, by its dialog."""
        if step:
            self.open(step)
        if self.key not in self.page.url:
            self.page.goto(f"/keys/{self.key}/")
        self.page.locator("main").get_by_role("link", name=action, exact=True).first.click()
        self.press(button, says)

    def disable(self, step: str = "") -> None:
        self.act(step, "Disable", "Disable key", "The key is disabled.")

    def enable(self, step: str = "") -> None:
        if step:
            self.open(step)
        if self.key not in self.page.url:
            self.page.goto(f"/keys/{self.key}/")
        self.press("Enable", "The key is enabled.")

    def policy(self, step: str, change: Callable[[dict[str, Any]], Any]) -> str:
        """The policy of before."""
        self.open(step)
        before = self.page.locator("main [name=policy]").input_value()
        document = json.loads(before)
        change(document)
        self.send("The key policy is in force.", policy=json.dumps(document))
        return before

    def deny(self, step: str, **condition: Any) -> str:
        statement = {"Effect": "Deny", "Principal": {"AWS": self.arn}, "Action": "kms:Encrypt", "Resource": "*"}
        return self.policy(step, lambda document: document["Statement"].append({**statement, **condition}))

    def call_refused(self, call: Callable[..., Any], **parameters: Any) -> None:
        with pytest.raises(ClientError):
            call(**parameters)

    def answer(self) -> None:
        """Every question, right."""
        self.page.goto(self.student.address)
        for step in self.student.lesson.steps:
            right = [number for number, right in enumerate(step.words.right, 1) if right]
            if right:
                form = self.page.locator(f"#{step.name} form")
                for number in right:
                    form.locator(f'[name=choice][value="{number}"]').check()
                form.get_by_role("button", name="Answer").click()
                self.page.locator(f"#{step.name}.lab-done").wait_for()


def what_is_kms(walk: Walk) -> None:
    walk.play("first-call", NumberOfBytes="32")
    walk.open("in-the-record")
    walk.page.locator("#event-rows").get_by_role("link", name="GenerateRandom").first.click()
    walk.said("Event record")


def managed_keys(walk: Walk) -> None:
    managed = walk.kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["KeyId"]
    walk.wizard("customer-managed", "my-own")
    walk.call_refused(walk.kms.disable_key, KeyId=managed)
    walk.disable()
    walk.enable()


def first_key(walk: Walk) -> None:
    walk.wizard("create-key", "first")
    walk.page.goto(f"/keys/{walk.key}/tab/tags/")
    walk.send("The tag is set.", key="owner", value=walk.student.card["user"])
    walk.links["change-policy"] = f"/keys/{walk.key}/policy/edit/"
    walk.policy("change-policy", lambda document: document["Statement"][0].update(Sid="Trust the account"))


def data_key(walk: Walk) -> None:
    walk.play("generate")
    sealed = walk.blob()
    walk.play("decrypt", CiphertextBlob=sealed)
    walk.play("without-plaintext")


def key_attributes(walk: Walk) -> None:
    walk.open("description")
    walk.page.locator("main").get_by_role("link", name="Edit description").click()
    walk.put(description="For training")
    walk.press("Edit description", "The description is changed.")
    walk.disable("state")
    walk.enable()
    walk.refused("export", "UnsupportedOperationException", KeyId_other=walk.key)


def users_and_a_group(walk: Walk) -> None:
    walk.open("create-group")
    walk.send("Group MY-KMS-GROUP was created.", name="MY-KMS-GROUP")
    walk.page.goto("/principals/groups/MY-KMS-GROUP/")
    account = walk.student.card["account"]
    walk.send("KeyStudent", attach=f"arn:aws:iam::{account}:policy/practice/KeyStudent")
    walk.open("create-user")
    walk.send("User sam-student was created.", name="sam-student", password="learn the class")
    walk.page.goto("/principals/groups/MY-KMS-GROUP/")
    walk.put(add="sam-student")
    walk.form("add").locator(_BUTTON).last.click()
    walk.page.locator("main").get_by_role("link", name="sam-student", exact=True).wait_for()
    walk.page.goto("/principals/users/sam-student/")
    walk.press("Create access key", "Secret access key")


def administrators_apart(walk: Walk) -> None:
    partner = walk.student.partner_client()
    allowed = (
        (walk.arn, ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy", "kms:DisableKey", "kms:CreateAlias"]),
        (walk.student.partner_arn, ["kms:Encrypt", "kms:Decrypt"]),
    )
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": actions, "Resource": "*"} for arn, actions in allowed
    ]
    key = walk.wizard("create-key", "apart", json.dumps({"Version": "2012-10-17", "Statement": statements}))
    walk.call_refused(walk.kms.encrypt, KeyId=key, Plaintext=b"x")
    partner.encrypt(KeyId=key, Plaintext=b"x")
    walk.call_refused(partner.disable_key, KeyId=key)
    walk.disable()


def asymmetric_keys(walk: Walk) -> None:
    signing = {
        "kind": "asymmetric",
        "usage_asymmetric": "SIGN_VERIFY",
        "spec_asymmetric_SIGN_VERIFY": "ECC_NIST_P256",
    }
    key = walk.wizard("create-signing-key", "signing", **signing)
    walk.play("sign", KeyId_other=key, Message=SECRET, SigningAlgorithm="ECDSA_SHA_256")
    signature = walk.blob("Signature")
    public: Any = serialization.load_der_public_key(walk.kms.get_public_key(KeyId=key)["PublicKey"])
    public.verify(base64.b64decode(signature), SECRET.encode(), ec.ECDSA(hashes.SHA256()))
    forged = {"Message": "forged", "Signature": signature, "Signature_as": "base64"}
    walk.refused(
        "verify-a-forgery",
        "KMSInvalidSignatureException",
        KeyId_other=key,
        SigningAlgorithm="ECDSA_SHA_256",
        **forged,
    )
    key = walk.wizard("create-encryption-key", "rsa", kind="asymmetric")
    outside: Any = serialization.load_der_public_key(walk.kms.get_public_key(KeyId=key)["PublicKey"])
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    sealed = outside.encrypt(SECRET.encode(), oaep)
    walk.kms.decrypt(KeyId=key, CiphertextBlob=sealed, EncryptionAlgorithm="RSAES_OAEP_SHA_256")


def imported_material(walk: Walk) -> None:
    material = bytes(range(32)).hex()
    walk.wizard("create-key", "imported", origin="EXTERNAL", acknowledged="")
    walk.send("The key material is imported.", material=material)
    sealed = walk.encrypt("encrypt")
    walk.page.goto(f"/keys/{walk.key}/do/delete-material/")
    walk.send("The key material is deleted.", confirmed="")
    walk.refused("decrypt", "KMSInvalidStateException", CiphertextBlob=sealed)
    walk.page.goto(f"/keys/{walk.key}/import/")
    walk.send("The key material is imported.", material=material)
    walk.decrypt("decrypt", sealed)


def custom_key_store(walk: Walk) -> None:
    cluster = key_stores.training_cluster(walk.student.server)
    walk.open("create-store")
    walk.page.get_by_label("Custom key store name").fill("pages")
    walk.page.get_by_label("Cluster ID").fill(cluster.cluster_id)
    walk.page.get_by_label("Trust anchor certificate").fill(cluster.certificate)
    walk.page.get_by_label("kmsuser password").fill(cluster.pin)
    walk.press("Create key store", "pages")
    walk.page.get_by_role("button", name="Connect", exact=True).click()
    walk.page.locator(".facts .badge-good").get_by_text("Connected").wait_for()
    store = walk.page.url
    walk.open("create-key")
    walk.put(origin="AWS_CLOUDHSM")
    walk.page.get_by_role("button", name="Next", exact=True).click()
    walk.page.get_by_role("button", name="Next", exact=True).click()  # the only store is chosen
    walk.page.get_by_label("Alias", exact=True).fill("in-a-token")
    walk.page.get_by_role("button", name="Skip to review").click()
    walk.page.get_by_role("button", name="Finish").click()
    walk.said("Your key was created with alias in-a-token")
    found = _KEY_ID.search(walk.page.locator("main").inner_text())
    assert found is not None
    walk.key = found[0]
    sealed = walk.encrypt("encrypt")
    walk.page.goto(store)
    walk.page.get_by_role("link", name="Disconnect").or_(
        walk.page.get_by_role("button", name="Disconnect")
    ).first.click()
    walk.page.locator("main, dialog[open]").get_by_role("button", name=re.compile("^Disconnect")).last.click()
    walk.page.locator(".facts").get_by_text("Disconnected").wait_for()
    walk.refused("refused", "KMSInvalidStateException", KeyId_other=walk.key, Plaintext="x")
    walk.page.goto(store)
    walk.page.get_by_role("button", name="Connect", exact=True).click()
    walk.page.locator(".facts .badge-good").get_by_text("Connected").wait_for()
    walk.kms.decrypt(CiphertextBlob=base64.b64decode(sealed))


def moved_alias(walk: Walk) -> None:
    walk.key = ALIAS
    sealed = walk.encrypt("encrypt-by-alias")
    second = walk.wizard("second-key", "second")
    walk.kms.update_alias(AliasName=ALIAS, TargetKeyId=second)
    walk.key = ALIAS
    walk.encrypt("encrypt-again")
    walk.decrypt("open-old", sealed)


def encrypt_a_secret(walk: Walk) -> None:
    """It is about a program; the pages of its buttons do the same."""
    walk.open("caller-identity")
    walk.student.client("sts").get_caller_identity()
    walk.kms.decrypt(CiphertextBlob=walk.kms.encrypt(KeyId=ALIAS, Plaintext=b"x")["CiphertextBlob"])
    sealed = walk.encrypt("encrypt-with-context", EncryptionContext_name="purpose", EncryptionContext_value="lesson")
    walk.kms.encrypt(KeyId=ALIAS, Plaintext=b"x", EncryptionContext={"purpose": "lesson"})
    walk.refused("decrypt-without-context", "InvalidCiphertextException", CiphertextBlob=sealed)
    walk.call_refused(walk.kms.decrypt, CiphertextBlob=base64.b64decode(sealed))


def rotation(walk: Walk) -> None:
    sealed = walk.encrypt("encrypt")
    walk.act("rotate", "Rotate now", "Rotate now", "The key has new material.")
    walk.decrypt("decrypt-old", sealed)
    walk.open("rotate-yearly")
    walk.send("Automatic rotation is on.", period="365")


def disabled_key(walk: Walk) -> None:
    walk.disable("disable")
    walk.refused("refused", "DisabledException", KeyId_other=walk.key, Plaintext="x")
    walk.enable("enable")
    walk.encrypt("use-again")


def envelope(walk: Walk) -> None:
    walk.call_refused(walk.kms.encrypt, KeyId=walk.key, Plaintext=bytes(5000))
    walk.open("data-key")
    walk.page.locator("main button.button[name=step][value=generate]").first.click()
    walk.page.locator("main [name=file]").set_input_files(
        {"name": "secret.txt", "mimeType": "text/plain", "buffer": SECRET.encode()}
    )
    with walk.page.expect_download() as downloaded:
        walk.form("file").locator("button:visible").last.click()
    walk.open("decrypt-data-key")
    walk.page.locator("main [name=envelope]").set_input_files(downloaded.value.path())
    with walk.page.expect_download():
        walk.page.locator("main button[value=open]").click()
    walk.open("why-not-directly")
    walk.put(size="16384")
    walk.form("size").locator("button.button-primary").click()
    walk.page.locator("main table").first.wait_for()


def encryption_context(walk: Walk) -> None:
    context = {"EncryptionContext_name": "purpose", "EncryptionContext_value": "lesson"}
    sealed = walk.encrypt("encrypt", **context)
    walk.decrypt("decrypt", sealed, **context)
    other = {"purpose": "party"}
    walk.call_refused(walk.kms.decrypt, CiphertextBlob=base64.b64decode(sealed), EncryptionContext=other)
    walk.deny("policy", Condition={"StringNotEquals": {"kms:EncryptionContext:purpose": "lesson"}})
    walk.call_refused(walk.kms.encrypt, KeyId=walk.key, Plaintext=b"x", EncryptionContext=other)
    walk.encrypt("allowed", **context)


def integrated_services(walk: Walk) -> None:
    walk.open("tick-a-service")
    walk.put(tick="s3", **{"key-s3": walk.key})
    walk.page.get_by_role("button", name="Apply").last.click()
    walk.page.locator("table.made").wait_for()
    walk.page.locator("main button[name=read][value=s3]").click()
    walk.page.locator("table.made").get_by_text("Decrypt").first.wait_for()
    walk.page.locator("main button[name=disable][value=s3]").click()
    walk.page.locator("table.made").get_by_text("DisabledException").first.wait_for()


def who_may_do_what(walk: Walk) -> None:
    before = walk.deny("deny-yourself")
    walk.call_refused(walk.kms.encrypt, KeyId=walk.key, Plaintext=b"x")
    walk.open("why")
    walk.put(principal=walk.arn, action="kms:Encrypt", key=walk.key)
    walk.form("principal").locator("button:visible").last.click()
    walk.page.locator("main").get_by_text("Deny").first.wait_for()
    walk.open("repair")
    walk.send("The key policy is in force.", policy=before)
    walk.kms.encrypt(KeyId=walk.key, Plaintext=b"x")
    walk.open("grant")
    walk.page.locator("main").get_by_role("link", name="Create grant").first.click()
    walk.send("The grant", grantee=walk.student.partner_arn, operations="Decrypt")
    walk.open("revoke")
    walk.page.locator("main tbody").get_by_role("button", name="Revoke").first.click()
    walk.said("The grant is revoked.")


def deletion(walk: Walk) -> None:
    key = walk.wizard("encrypt", "doomed")
    sealed = walk.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    walk.page.goto(f"/keys/{key}/delete/")
    walk.page.get_by_label("Type “doomed” to confirm").fill("doomed")
    walk.send("Deletion is scheduled.", days="7", confirmed="")
    walk.call_refused(walk.kms.decrypt, CiphertextBlob=sealed)
    walk.page.goto(f"/audit/?key={key}")
    walk.page.locator("#event-rows").get_by_text("KMSInvalidState").first.wait_for()
    walk.page.goto(f"/keys/{key}/")
    walk.press("Cancel deletion", "Deletion is cancelled.")
    walk.enable()
    walk.kms.decrypt(CiphertextBlob=sealed)


def audit_trail(walk: Walk) -> None:
    walk.open("events-of-a-key")
    walk.page.locator("#event-rows a").first.click()
    walk.said("Event record")
    lookup = [{"AttributeKey": "Username", "AttributeValue": walk.student.card["user"]}]
    walk.student.client("cloudtrail").lookup_events(LookupAttributes=lookup)


def exam(walk: Walk) -> None:
    """It says nothing of how: what is only looked at elsewhere is done by calls."""
    kms, context = walk.kms, {"purpose": "exam"}
    key = kms.create_key(Tags=[{"TagKey": "exam", "TagValue": "mine"}])["KeyMetadata"]["KeyId"]
    old = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=old, EncryptionContext=context)
    made = kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
    kms.decrypt(CiphertextBlob=made["CiphertextBlob"])
    kms.rotate_key_on_demand(KeyId=key)
    kms.decrypt(CiphertextBlob=old, EncryptionContext=context)
    walk.key = key
    walk.disable()
    walk.call_refused(kms.encrypt, KeyId=key, Plaintext=b"x")
    walk.enable()
    signing = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    asked = {"KeyId": signing, "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = kms.sign(**asked, Message=b"x")["Signature"]
    kms.verify(**asked, Message=b"x", Signature=signature)
    walk.call_refused(kms.verify, **asked, Message=b"forged", Signature=signature)


WALKS: dict[str, Callable[[Walk], None]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        what_is_kms,
        managed_keys,
        first_key,
        data_key,
        key_attributes,
        users_and_a_group,
        administrators_apart,
        asymmetric_keys,
        imported_material,
        custom_key_store,
        moved_alias,
        encrypt_a_secret,
        rotation,
        disabled_key,
        envelope,
        encryption_context,
        integrated_services,
        who_may_do_what,
        deletion,
        audit_trail,
        exam,
    )
}
