"""AWS managed keys: `aws/<service>`, made when a service first uses them; nobody administers them and they rotate every year."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

from engine.context import CallContext
from engine.kms import key_snapshots, material, models, specs
from engine.kms.key_snapshots import KmsKey
from engine.region_names import partition
from engine.store import transaction
from engine.store.transaction import aliases_entity, changed, key_entity
from engine.wire.errors import AWSError

ROTATION_DAYS = 365

# Alias → the name its description gives the service. Source: the aliases AWS reserves, KMS Developer Guide, "AWS managed keys".
SERVICES = {
    "alias/aws/acm": "ACM",
    "alias/aws/backup": "Backup",
    "alias/aws/codecommit": "CodeCommit",
    "alias/aws/dynamodb": "DynamoDB",
    "alias/aws/ebs": "EBS",
    "alias/aws/elasticfilesystem": "EFS",
    "alias/aws/es": "Elasticsearch",
    "alias/aws/glue": "Glue",
    "alias/aws/kinesis": "Kinesis",
    "alias/aws/kinesisvideo": "Kinesis Video Streams",
    "alias/aws/lambda": "Lambda",
    "alias/aws/rds": "RDS",
    "alias/aws/redshift": "Redshift",
    "alias/aws/s3": "S3",
    "alias/aws/secretsmanager": "Secrets Manager",
    "alias/aws/sns": "SNS",
    "alias/aws/sqs": "SQS",
    "alias/aws/ssm": "SSM",
    "alias/aws/xray": "X-Ray",
}

_SERVICE_OF_ALIAS = {"elasticfilesystem": "elasticfilesystem", "ebs": "ec2"}


def find_or_create(context: CallContext, identifier: str) -> KmsKey:
    """As keyring.find, but an alias of SERVICES that points nowhere yet gets its key, as AWS does on DescribeKey."""
    name = identifier.removeprefix(f"arn:{partition(context.region)}:kms:{context.region}:{context.account_id}:")
    if name in SERVICES:
        row = models.Alias.objects.filter(account_id=context.account_id, region=context.region, name=name).first()
        if row is None or not row.target_key_id:
            create(context, name)
    return key_snapshots.find(context, identifier)


def create(context: CallContext, alias: str) -> None:
    """Make the AWS managed key of a service's alias in the caller's account and Region."""
    service = alias.removeprefix("alias/aws/")
    with transaction.write():
        if models.Alias.objects.filter(account_id=context.account_id, region=context.region, name=alias).exists():
            return
        key = models.Key.objects.create(
            account_id=context.account_id,
            region=context.region,
            key_id=str(uuid.uuid4()),
            spec=specs.SYMMETRIC_DEFAULT,
            usage=specs.ENCRYPT_DECRYPT,
            manager="AWS",
            description=f"Default key that protects my {SERVICES[alias]} data when no other key is defined",
            policy=_policy(context, service),
            created=context.now,
            rotation_enabled=True,
            rotation_period_days=ROTATION_DAYS,
            next_rotation=context.now + timedelta(days=ROTATION_DAYS),
        )
        material.new(key, context.now)
        models.Alias.objects.create(
            account_id=context.account_id,
            region=context.region,
            name=alias,
            target_key_id=key.key_id,
            created=context.now,
            updated=context.now,
        )
        changed(aliases_entity(context.account_id, context.region), key_entity(key.account_id, key.region, key.key_id))


def _policy(context: CallContext, service: str) -> str:
    """Everyone in the account may use the key, but only through the service; all may read about it."""
    via = f"{_SERVICE_OF_ALIAS.get(service, service)}.{context.region}.amazonaws.com"
    root = f"arn:{partition(context.region)}:iam::{context.account_id}:root"
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Id": f"auto-{service}-2",
            "Statement": [
                {
                    "Sid": f"Allow access through {service} for all principals in the account that are authorized to use {service}",
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": [
                        "kms:Encrypt",
                        "kms:Decrypt",
                        "kms:ReEncrypt*",
                        "kms:GenerateDataKey*",
                        "kms:CreateGrant",
                        "kms:DescribeKey",
                    ],
                    "Resource": "*",
                    "Condition": {"StringEquals": {"kms:CallerAccount": context.account_id, "kms:ViaService": via}},
                },
                {
                    "Sid": "Allow direct access to key metadata to the account",
                    "Effect": "Allow",
                    "Principal": {"AWS": root},
                    "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                    "Resource": "*",
                },
            ],
        }
    )


def refuse_managed(key: KmsKey, operation: str) -> None:
    """AWS managed keys take no administration, whoever asks."""
    if key.manager == "AWS":
        raise AWSError("AccessDeniedException", f"{key.arn} is an AWS managed key: {operation} is not allowed on it.")
