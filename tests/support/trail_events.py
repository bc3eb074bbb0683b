"""Records of calls as the engine writes them, made by chance: histories for tests and benches of the search."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

REGION = "us-east-1"
PURPOSES = ("payroll", "orders", "backups", "sessions", "invoices", "mail", "photos", "logs")
# Operation → how often, of 1,000 calls.
OPERATIONS = {
    "Decrypt": 580,
    "GenerateDataKey": 200,
    "Encrypt": 130,
    "DescribeKey": 40,
    "ReEncrypt": 30,
    "PutKeyPolicy": 5,
    "TagResource": 5,
    "CreateGrant": 5,
    "ListAliases": 5,
}
READ_ONLY = {"Decrypt", "GenerateDataKey", "Encrypt", "DescribeKey", "ReEncrypt", "ListAliases"}
NEVER_BATCH = "ReEncrypt"  # what the user `batch`, who makes a third of all calls, never does


class Chance:
    """Makes records of one account, each by the next draws of a seeded generator."""

    def __init__(self, account_id: str, seed: int = 1, *, keys: int = 1_000, sessions: int = 200) -> None:
        self.account_id, self.random = account_id, random.Random(seed)
        self.keys = [self._uuid() for _ in range(keys)]
        self.materials = [self.random.randbytes(32).hex() for _ in range(keys)]
        self.users = ["batch", *(f"user-{number}" for number in range(20))]
        self.sessions = [(f"role-{number % 10}", f"session-{number}") for number in range(sessions)]
        self._operations = random.Random(seed + 1).choices(list(OPERATIONS), list(OPERATIONS.values()), k=5_000)

    def _uuid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def record(self, moment: int, **changed: Any) -> dict[str, Any]:
        """One call at a moment (seconds since 1970), with members that are `changed`."""
        chance = self.random
        draw = chance.random()
        operation = chance.choice(self._operations)
        if draw < 0.33:
            identity = self._user("batch")
            operation = "Decrypt" if operation == NEVER_BATCH else operation
        elif draw < 0.8:
            identity = self._session(*chance.choice(self.sessions))
        else:
            identity = self._user(chance.choice(self.users[1:]))
        at = min(int(chance.paretovariate(0.5)) - 1, len(self.keys) - 1)
        given: dict[str, Any] = {"keyId": self.keys[at]}
        if operation in ("Decrypt", "GenerateDataKey", "Encrypt"):
            context = {"purpose": chance.choice(PURPOSES), "tenant": f"tenant-{chance.randrange(500)}"}
            if chance.random() < 0.1:
                context["document"] = self._uuid()
            given["encryptionContext"] = context
        if operation == "TagResource":
            given["tags"] = [{"tagKey": "owner", "tagValue": f"Team {chance.randrange(20)}"}]
        made: dict[str, Any] = {
            "eventVersion": "1.11",
            "userIdentity": identity,
            "eventTime": f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}",
            "eventSource": "kms.amazonaws.com",
            "eventName": operation,
            "awsRegion": REGION,
            "sourceIPAddress": f"192.0.2.{chance.randrange(200)}",
            "userAgent": "Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux md/arch#x86_64 lang/python#3.11.7",
            "requestParameters": given,
            "responseElements": {"grantId": chance.randbytes(32).hex()} if operation == "CreateGrant" else None,
            "requestID": self._uuid(),
            "eventID": self._uuid(),
            "readOnly": operation in READ_ONLY,
            "resources": [
                {
                    "accountId": self.account_id,
                    "type": "AWS::KMS::Key",
                    "ARN": f"arn:aws:kms:{REGION}:{self.account_id}:key/{self.keys[at]}",
                }
            ],
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": self.account_id,
            "eventCategory": "Management",
        }
        if "encryptionContext" in given:
            made["additionalEventData"] = {"keyMaterialId": self.materials[at]}
        if chance.random() < 0.01:
            made |= {
                "errorCode": "AccessDenied",
                "errorMessage": f"User: {identity['arn']} is not authorized to perform: kms:{operation} on this resource",
            }
        elif operation in ("DescribeKey", "ListAliases") and chance.random() < 0.5:
            made["sessionCredentialFromConsole"] = "true"
        return {**made, **changed}

    def creation(self, number: int, moment: int) -> dict[str, Any]:
        """The call that made the key of this number."""
        key_id = self.keys[number]
        arn = f"arn:aws:kms:{REGION}:{self.account_id}:key/{key_id}"
        described = {"keySpec": "SYMMETRIC_DEFAULT", "keyUsage": "ENCRYPT_DECRYPT", "origin": "AWS_KMS"}
        metadata = {"keyId": key_id, "arn": arn, "enabled": True, "description": f"key {number}", **described}
        given = {"description": f"key {number}", "tags": [{"tagKey": "owner", "tagValue": f"Team {number % 20}"}]}
        resource = {"accountId": self.account_id, "type": "AWS::KMS::Key", "ARN": arn}
        changed = {"requestParameters": given, "responseElements": {"keyMetadata": metadata}, "resources": [resource]}
        made = self.record(moment, eventName="CreateKey", readOnly=False, **changed)
        return {name: each for name, each in made.items() if not name.startswith("error")}

    def _user(self, name: str) -> dict[str, Any]:
        return {
            "type": "IAMUser",
            "principalId": f"AIDA{name.upper():A<17}",
            "arn": f"arn:aws:iam::{self.account_id}:user/{name}",
            "accountId": self.account_id,
            "accessKeyId": f"AKIA{name.upper().replace('-', ''):A<16}",
            "userName": name,
        }

    def _session(self, role: str, name: str) -> dict[str, Any]:
        issuer = {
            "type": "Role",
            "principalId": f"AROA{role.upper():A<17}",
            "arn": f"arn:aws:iam::{self.account_id}:role/{role}",
            "accountId": self.account_id,
            "userName": role,
        }
        return {
            "type": "AssumedRole",
            "principalId": f"{issuer['principalId']}:{name}",
            "arn": f"arn:aws:sts::{self.account_id}:assumed-role/{role}/{name}",
            "accountId": self.account_id,
            "accessKeyId": f"ASIA{name.upper().replace('-', ''):A<16}",
            "sessionContext": {"sessionIssuer": issuer},
        }
