"""The integrated services as a table: which KMS calls each makes, for whom, and with which encryption context.

Sources: the pages "How … uses AWS KMS" of the KMS Developer Guide and of the services' own guides (S3, EBS, RDS, DynamoDB, Lambda, EFS,
CloudTrail, CodeCommit, CodeBuild), with their CloudTrail examples. Where AWS gives a grant to a principal inside the service (EC2's
infrastructure role, a function's execution role) it is given to the service here, which then calls as itself.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One call. `itself`: the service makes it as itself, not for the person. `service`: another service that makes it."""

    operation: str
    itself: bool = False
    service: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """`alias` is that of its AWS managed key, empty where it has none. `arn`, `context` and `shown` are filled with the resource's values.

    `asked`: what the person asks of the service, to protect and to read. `stops`: what no longer works with the key disabled.
    `needs` is an action that AWS asks of the person before the service does anything as itself; `statement` is what a key policy
    must say for that.
    """

    slug: str
    title: str
    protects: Any
    principal: str
    alias: str
    arn: str
    context: Values
    protect: tuple[Step, ...]
    read: tuple[Step, ...]
    reads: Any
    new_id: Callable[[], str]
    asked: tuple[str, str]
    stops: Any
    grant: tuple[str, ...] = ()
    looks_up: bool = False
    needs: str = ""
    statement: str = ""

    @property
    def managed(self) -> str:
        """`aws/s3`, as AWS's console calls it."""
        return self.alias.removeprefix("alias/")


def _hex() -> str:
    return secrets.token_hex(9)[:17]


def _base32() -> str:
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=")


def _cloudtrail_statement() -> str:
    return json.dumps(
        {
            "Sid": "Allow CloudTrail to encrypt logs",
            "Effect": "Allow",
            "Principal": {"Service": "cloudtrail.amazonaws.com"},
            "Action": ["kms:DescribeKey", "kms:GenerateDataKey*"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceArn": "ARN"}},
        },
        indent=2,
    )


_READ_THROUGH = (Step("Decrypt"),)
_READ_ITSELF = (Step("Decrypt", itself=True),)

SERVICES: dict[str, Service] = {
    row.slug: row
    for row in (
        Service(
            slug="s3",
            title="Amazon S3",
            protects=gettext_lazy("An object: a data key for each."),
            principal="s3.amazonaws.com",
            alias="alias/aws/s3",
            arn="arn:{partition}:s3:::lab-{id}/report.pdf",
            context={"aws:s3:arn": "{arn}"},
            protect=(Step("GenerateDataKey"),),
            read=_READ_THROUGH,
            reads=gettext_lazy("GetObject: S3 asks for the data key as the person who gets the object."),
            asked=("PutObject", "GetObject"),
            stops=gettext_lazy(
                "Objects under the key can neither be read nor written, at once. Those under other keys can."
            ),
            new_id=_hex,
        ),
        Service(
            slug="ebs",
            title="Amazon EBS",
            protects=gettext_lazy("A volume: one data key, which is decrypted each time it is attached."),
            principal="ec2.amazonaws.com",
            alias="alias/aws/ebs",
            arn="arn:{partition}:ec2:{region}:{account}:volume/vol-{id}",
            context={"aws:ebs:id": "vol-{id}"},
            protect=(Step("GenerateDataKeyWithoutPlaintext"), Step("CreateGrant")),
            read=_READ_ITSELF,
            reads=gettext_lazy("AttachVolume: EC2 decrypts by its grant, whoever attaches."),
            asked=("CreateVolume", "AttachVolume"),
            stops=gettext_lazy(
                "A volume that is attached goes on working; once detached, or its instance stopped, it cannot be attached again."
            ),
            new_id=_hex,
            grant=("Decrypt", "RetireGrant"),
            looks_up=True,
        ),
        Service(
            slug="rds",
            title="Amazon RDS",
            protects=gettext_lazy("A database and its volumes: by a grant, since RDS works when nobody is signed in."),
            principal="rds.amazonaws.com",
            alias="alias/aws/rds",
            arn="arn:{partition}:rds:{region}:{account}:db:lab-{id}",
            context={"aws:rds:db-id": "db-{id}"},
            protect=(Step("CreateGrant"), Step("GenerateDataKeyWithoutPlaintext", itself=True)),
            read=_READ_ITSELF,
            reads=gettext_lazy("The database starts: RDS decrypts by its grant."),
            asked=("CreateDBInstance", "StartDBInstance"),
            stops=gettext_lazy(
                "The database stops and waits (inaccessible-encryption-credentials-recoverable) until the key is enabled and it is started."
            ),
            new_id=_base32,
            grant=("Decrypt", "GenerateDataKeyWithoutPlaintext", "DescribeKey", "RetireGrant"),
            looks_up=True,
        ),
        Service(
            slug="dynamodb",
            title="Amazon DynamoDB",
            protects=gettext_lazy("A table: a table key, which encrypts the keys of its parts."),
            principal="dynamodb.amazonaws.com",
            alias="alias/aws/dynamodb",
            arn="arn:{partition}:dynamodb:{region}:{account}:table/Lab-{id}",
            context={"aws:dynamodb:tableName": "Lab-{id}", "aws:dynamodb:subscriberId": "{account}"},
            protect=(Step("CreateGrant"), Step("GenerateDataKey", itself=True)),
            read=_READ_THROUGH,
            reads=gettext_lazy("GetItem: DynamoDB asks for the table key as the person who reads."),
            asked=("CreateTable", "GetItem"),
            stops=gettext_lazy(
                "The table cannot be read or written as soon as the table key that DynamoDB keeps for some minutes has run out."
            ),
            new_id=_hex,
            grant=(
                *("DescribeKey", "GenerateDataKey", "Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo"),
                "RetireGrant",
            ),
            looks_up=True,
        ),
        Service(
            slug="lambda",
            title="AWS Lambda",
            protects=gettext_lazy("A function's environment variables: encrypted directly, they are small."),
            principal="lambda.amazonaws.com",
            alias="alias/aws/lambda",
            arn="arn:{partition}:lambda:{region}:{account}:function:lab-{id}",
            context={"aws:lambda:FunctionArn": "{arn}"},
            protect=(Step("CreateGrant"), Step("Encrypt")),
            read=(Step("Decrypt"), Step("Decrypt", itself=True)),
            reads=gettext_lazy(
                "The variables are shown to the person who configures the function; then it runs, and Lambda decrypts by its grant."
            ),
            asked=("UpdateFunctionConfiguration", "Invoke"),
            stops=gettext_lazy(
                "The function cannot be started (KMSDisabledException), since its environment variables do not open."
            ),
            new_id=_hex,
            grant=("Decrypt", "RetireGrant"),
        ),
        Service(
            slug="efs",
            title="Amazon EFS",
            protects=gettext_lazy("A file system: one data key, decrypted by the service."),
            principal="elasticfilesystem.amazonaws.com",
            alias="alias/aws/elasticfilesystem",
            arn="arn:{partition}:elasticfilesystem:{region}:{account}:file-system/fs-{id}",
            context={"aws:elasticfilesystem:filesystem:id": "fs-{id}"},
            protect=(Step("GenerateDataKeyWithoutPlaintext"), Step("CreateGrant")),
            read=_READ_ITSELF,
            reads=gettext_lazy("A client mounts the file system: EFS decrypts by its grant."),
            asked=("CreateFileSystem", "mount"),
            stops=gettext_lazy(
                "The file system cannot be mounted; where it is mounted, files stop being readable within minutes."
            ),
            new_id=_hex,
            grant=("Decrypt", "DescribeKey", "RetireGrant"),
            looks_up=True,
        ),
        Service(
            slug="cloudtrail",
            title="AWS CloudTrail",
            protects=gettext_lazy(
                "A trail's log files. It has no AWS managed key: the key's policy must name the service."
            ),
            principal="cloudtrail.amazonaws.com",
            alias="",
            arn="arn:{partition}:cloudtrail:{region}:{account}:trail/{id}",
            context={
                "aws:cloudtrail:arn": "{arn}",
                "aws:s3:arn": "arn:{partition}:s3:::lab-logs-{account}/AWSLogs/{account}/CloudTrail/{region}/log.json.gz",
            },
            protect=(Step("GenerateDataKey", itself=True),),
            read=(Step("Decrypt", service="s3.amazonaws.com"),),
            reads=gettext_lazy("GetObject on a log file: S3 asks for the data key as the person who reads the log."),
            asked=("StartLogging", "GetObject"),
            stops=gettext_lazy(
                "No new log files are delivered, and those of before cannot be read: events are missing afterwards."
            ),
            new_id=lambda: "lab",  # the same each time, so that a statement about the trail's ARN goes on holding
            needs="cloudtrail:UpdateTrail",
            looks_up=True,
            statement=_cloudtrail_statement(),
        ),
        Service(
            slug="codecommit",
            title="AWS CodeCommit",
            protects=gettext_lazy("Developer Tools: a repository's contents."),
            principal="codecommit.amazonaws.com",
            alias="alias/aws/codecommit",
            arn="arn:{partition}:codecommit:{region}:{account}:{id}",
            context={"aws:codecommit:id": "{id}"},
            protect=(Step("GenerateDataKey"),),
            read=_READ_THROUGH,
            reads=gettext_lazy("git pull: CodeCommit asks for the data key as the person who pulls."),
            asked=("git push", "git pull"),
            stops=gettext_lazy("Nobody can push to the repository or pull from it."),
            new_id=lambda: str(uuid.uuid4()),
        ),
        Service(
            slug="codebuild",
            title="AWS CodeBuild",
            protects=gettext_lazy("Developer Tools: a build's output, which lies in S3 and is encrypted by it."),
            principal="s3.amazonaws.com",
            alias="alias/aws/s3",
            arn="arn:{partition}:s3:::lab-artifacts-{id}/build-1/output.zip",
            context={"aws:s3:arn": "{arn}"},
            protect=(Step("GenerateDataKey"),),
            read=_READ_THROUGH,
            reads=gettext_lazy("The next stage gets the output: S3 asks for the data key as that stage."),
            asked=("StartBuild", "GetObject"),
            stops=gettext_lazy(
                "The output of builds cannot be written, and the next stage of the pipeline cannot read what is there."
            ),
            new_id=_hex,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Resource:
    """A service's resource by its ID: its ARN and the encryption context that goes with it."""

    id: str
    arn: str
    context: dict[str, str]


def resource(row: Service, identifier: str, *, partition: str, region: str, account: str) -> Resource:
    values = {"id": identifier, "partition": partition, "region": region, "account": account}
    values["arn"] = row.arn.format(**values)
    return Resource(identifier, values["arn"], {name: value.format(**values) for name, value in row.context.items()})


def statement(row: Service, of: Resource) -> str:
    """The statement of a key policy that lets the service call as itself for this resource; empty where none is needed."""
    return row.statement.replace('"ARN"', json.dumps(of.arn))


ENVIRONMENT = b'{"STAGE": "lab"}'  # what a function's variables are here


def parameters(row: Service, step: Step, of: Resource, key: str, sealed: bytes, grant_id: str) -> dict[str, Any]:
    """What the step's call sends. `key` is an ARN, or for DescribeKey the alias of the service's AWS managed key."""
    context = {"EncryptionContext": of.context}
    match step.operation:
        case "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext":
            return {"KeyId": key, "KeySpec": "AES_256", **context}
        case "Encrypt":
            return {"KeyId": key, "Plaintext": ENVIRONMENT, **context}
        case "Decrypt":
            return {"CiphertextBlob": sealed, **context}
        case "CreateGrant":
            return {
                "KeyId": key,
                "GranteePrincipal": row.principal,
                "RetiringPrincipal": row.principal,
                "Operations": list(row.grant),
                "Constraints": {"EncryptionContextSubset": of.context},
            }
        case "RetireGrant":
            return {"KeyId": key, "GrantId": grant_id}
        case _:
            return {"KeyId": key}
