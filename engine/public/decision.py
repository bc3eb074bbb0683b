"""The decision and all that goes into one: policies compiled, principals, requests, the trace. Pure."""

from __future__ import annotations

from engine.context import CallContext
from engine.iam.authorize import global_conditions
from engine.iam.decide import Decision, Policies, Request, decide
from engine.iam.decision_trace import TraceLine, trace
from engine.iam.grant_matching import GrantView, grants_to
from engine.iam.policy import CompiledPolicy, Kind, MalformedPolicy, Statement, compile_policy, is_unicode
from engine.iam.principal import Principal, SessionFacts

__all__ = [
    "CallContext",
    "CompiledPolicy",
    "Decision",
    "GrantView",
    "Kind",
    "MalformedPolicy",
    "Policies",
    "Principal",
    "Request",
    "SessionFacts",
    "Statement",
    "TraceLine",
    "compile_policy",
    "decide",
    "global_conditions",
    "grants_to",
    "is_unicode",
    "trace",
]
