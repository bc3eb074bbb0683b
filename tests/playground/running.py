"""Running operations in the playground, for tests."""

from __future__ import annotations

import base64
from typing import Any

from botocore.session import get_session
from django.test import Client

MODEL = get_session().get_service_model("kms")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def blobs(answer: Any) -> dict[str, str]:
    """Member → base64 of what the result shows."""
    return {blob["name"]: blob["shown"].base64 for blob in answer.context["blobs"]}


def run(browser: Client, slug: str, **fields: Any) -> Any:
    answer = browser.post(f"/play/{slug}/", fields)
    assert answer.status_code == 200, answer.context["form"].errors
    assert "problem" not in answer.context, answer.context["problem"]
    return answer
