"""KMSCONSOLE_BACKEND=<URL>: list, wizard and playground against another KMS endpoint, here moto's server."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import boto3
import pytest

from tests.support.forms import Browser
from tests.support.server import PASSWORD, Server

pytestmark = pytest.mark.slow


def test_list_wizard_and_playground_work_on_another_endpoint(moto: str, tmp_path: Path) -> None:
    credentials = {"AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": "moto", "AWS_EC2_METADATA_DISABLED": "true"}
    theirs = boto3.client(
        "kms", region_name="us-east-1", endpoint_url=moto, aws_access_key_id="moto", aws_secret_access_key="moto"
    )
    there = theirs.create_key(Description="made elsewhere")["KeyMetadata"]["KeyId"]
    with Server(tmp_path / "data", KMSCONSOLE_BACKEND=moto, **credentials) as server:
        browser = Browser(server.url)
        browser.get("/principals/sign-in/")
        browser.post(account="", user_name="admin", password=PASSWORD, next="/keys/")
        assert there in browser.page
        assert moto in browser.page

        browser.get("/keys/new/")
        browser.post(
            kind="symmetric", usage="ENCRYPT_DECRYPT", spec="SYMMETRIC_DEFAULT", origin="AWS_KMS", regionality="single"
        )
        browser.post(alias="from-the-console", description="", tags="")
        browser.post(deletion="on")
        browser.post(accounts="")
        policy = re.search(r"<textarea[^>]*>(.*?)</textarea>", browser.page, re.DOTALL)
        assert policy is not None
        browser.post(policy=unescape(policy[1]))
        browser.post()
        assert "Your key was created with alias from-the-console" in browser.page
        made = theirs.describe_key(KeyId="alias/from-the-console")["KeyMetadata"]["KeyId"]

        browser.get("/play/encrypt/")
        browser.post(KeyId=made, Plaintext="hello", Plaintext_as="text")
        blob = re.search(r'id="blob-CiphertextBlob">([^<]+)<', browser.page)
        assert blob is not None
        browser.get("/play/decrypt/")
        browser.post(CiphertextBlob=unescape(blob[1]), CiphertextBlob_as="base64")
        assert '<pre tabindex="0" data-encoding="text">hello</pre>' in browser.page
