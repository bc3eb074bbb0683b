"""Signatures of what is posted to others (Standard Webhooks). Pure."""

from __future__ import annotations

from engine.webhook_signature import headers, new_secret

__all__ = ["headers", "new_secret"]
