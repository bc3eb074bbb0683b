"""What other modules leave on the shared server: more than the first rows of a list, or the first choices of a form, and one of most kinds.

Which modules share a server depends on the run. With this on each of them a test that counts on being alone fails always, not now and then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support import identity_providers

USERS = 65  # more than the wizard shows (keys.wizard.forms.SHOWN_PRINCIPALS)
KEYS = 30  # more than a list's page has, and a picker offers; with names that come first


def make(client: Callable[..., Any]) -> None:
    """`client` makes a boto3 client of a service."""
    iam, kms = client("iam"), client("kms")
    for number in range(USERS):
        iam.create_user(UserName=f"a-crowd-{number:02}")
    for number in range(KEYS):
        key_id = kms.create_key(Description="of others")["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/a-crowd-{number:02}", TargetKeyId=key_id)
    iam.create_group(GroupName="a-crowd")
    iam.create_saml_provider(Name="a-crowd", SAMLMetadataDocument=identity_providers.metadata())
    iam.create_open_id_connect_provider(Url="https://a-crowd.example.com", ClientIDList=["a"])
