"""Calls of AWS services: for a principal who used the service (a forward access session), or as the service itself.

No AWS operation gives such a session, and `engine.service` takes one only from this very process, and only for KMS: the console's labs
play the service and get it here. It carries what the principal's own session does, so the decision is the principal's, with
kms:ViaService and its relatives. Source: IAM User Guide, "Forward access sessions".
"""

from __future__ import annotations

import hmac
from datetime import timedelta

from engine import clock
from engine.iam import credentials
from engine.iam.credentials import TemporaryCredentials

LIFE = timedelta(minutes=5)  # a page's calls; no longer than the session it was made from in any case


def for_principal(access_key_id: str, secret_access_key: str, session_token: str, service: str) -> TemporaryCredentials:
    """A session in which `service` ("s3.amazonaws.com") calls for who holds these temporary credentials.

    Raises AWSError if they are not valid, ValueError if they are a service's already or those of a long-term key.
    """
    found = credentials.find(access_key_id, session_token)
    if not hmac.compare_digest(found.secret, secret_access_key):
        raise credentials.unrecognized()
    if found.principal.invoked_by or not session_token:
        raise ValueError("forward access is for a principal's own temporary credentials")
    account_id, content = credentials.open_token(access_key_id, session_token)
    ends = min(int(content["expires"]), _ends())
    return credentials.seal_token(account_id, {**content, "invoked_by": service, "expires": ends})


def as_itself(account_id: str, service: str, source_arn: str) -> TemporaryCredentials:
    """A session in which `service` calls as its own principal, for a resource of `account_id`: what key policies and grants give it."""
    content = {"principal": "", "invoked_by": service, "source_arn": source_arn, "expires": _ends()}
    return credentials.seal_token(account_id, content)


def _ends() -> int:
    return int((clock.real_now() + LIFE).timestamp())
