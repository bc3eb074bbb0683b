"""The services that are served, one row each, with their botocore model.

Everything that is known of a service's shapes comes from its model; a row holds only what the models do not say. Models are loaded
at first use and kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

from engine.service_models import description
from engine.wire import ec2

_NAME_CHARACTERS = "It must contain only alphanumeric characters and/or the following: +=,.@_-"
_PATH_CHARACTERS = "It must begin and end with / and contain only alphanumeric characters and/or / characters."


@dataclass(frozen=True, slots=True)
class Service:
    """`name` is the signing name and the host's first label, and botocore's name unless `model` gives that.

    `only`: the operations that are taken from a model that is too long to be kept whole; any other is answered as one that there is not.
    How a service words its validation errors differs in small ways that only its answers show:
    `echoes_values`: a refused value is quoted in the message, and an enum's values are listed; `pattern_first`: a string's pattern is
    named before its length;
    `pattern_sentences`: patterns that are answered with a sentence of their own, without the usual frame;
    `patterns`: patterns that the service enforces and its model leaves out, by shape name;
    `enum_orders`: the order in which it names an enum's values, by shape name, where that is not the model's (what the model has
    beyond them follows).
    """

    name: str
    protocol: str  # "json" (JSON 1.1) | "query" | "ec2" (Query with other names: engine.wire.ec2)
    target_prefixes: tuple[str, ...] = ()
    version: str = ""
    model: str = ""
    only: frozenset[str] = frozenset()
    echoes_values: bool = True
    pattern_first: bool = False
    pattern_sentences: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)
    enum_orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    internal_failure: str = "InternalFailure"


SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        Service(
            "kms",
            "json",
            target_prefixes=("TrentService",),
            patterns={"KeyIdType": r"^\p{ASCII}+$"},
            enum_orders={
                "EncryptionAlgorithmSpec": ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE", "SYMMETRIC_DEFAULT"),
                "KeySpec": (
                    *("RSA_2048", "RSA_3072", "RSA_4096"),
                    *("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519"),
                    *("SYMMETRIC_DEFAULT", "HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512", "SM2"),
                ),
                "KeyUsageType": ("ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC"),
                "MacAlgorithmSpec": ("HMAC_SHA_384", "HMAC_SHA_256", "HMAC_SHA_224", "HMAC_SHA_512"),
                "SigningAlgorithmSpec": (
                    *("RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512"),
                    *("RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512"),
                    *("ECDSA_SHA_256", "ECDSA_SHA_384", "ECDSA_SHA_512"),
                    *("ED25519_SHA_512", "ED25519_PH_SHA_512", "SM2DSA", "ML_DSA_SHAKE_256"),
                ),
            },
            internal_failure="KMSInternalException",
        ),
        Service(
            "cloudtrail",
            "json",
            target_prefixes=("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101", "CloudTrail_20131101"),
        ),
        Service(
            "iam",
            "query",
            version="2010-05-08",
            echoes_values=False,
            pattern_first=True,
            pattern_sentences={
                r"[\w+=,.@-]+": _NAME_CHARACTERS,
                r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)": _PATH_CHARACTERS,
            },
        ),
        Service("sts", "query", version="2011-06-15", pattern_first=True),
        Service(
            "tagging",
            "json",
            target_prefixes=("ResourceGroupsTaggingAPI_20170126",),
            model="resourcegroupstaggingapi",
            internal_failure="InternalServiceException",
        ),
        Service(
            "ec2", "ec2", version="2016-11-15", only=frozenset({"DescribeRegions"}), internal_failure="InternalError"
        ),
        Service(
            "organizations",
            "json",
            target_prefixes=("AWSOrganizationsV20161128",),
            # The model's looks through a long text once for each colon.
            patterns={"GenericArn": "arn:aws:organizations::[^:]+:.+"},
            internal_failure="ServiceException",
        ),
    )
}

BY_TARGET_PREFIX: Mapping[str, Service] = {
    prefix: service for service in SERVICES.values() for prefix in service.target_prefixes
}
QUERY_SERVICES: tuple[Service, ...] = tuple(service for service in SERVICES.values() if service.protocol != "json")


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """How a modelled error is written: its code on the wire, its HTTP status, and the members it has beside the message."""

    code: str
    status: int
    members: frozenset[str]


@cache
def _description(service_name: str) -> dict[str, Any]:
    service = SERVICES[service_name]
    if not service.only:
        return description(service.model or service_name)
    # Hundreds of operations, of which these are kept.
    whole = Loader().load_service_model(service.model or service_name, "service-2")
    return ec2.as_query(whole, service.only)


@cache
def model(service_name: str) -> ServiceModel:
    """botocore's model of a served service."""
    return ServiceModel(_description(service_name), service_name)


@cache
def _operation_names(service_name: str) -> frozenset[str]:
    return frozenset(model(service_name).operation_names)


def operation(service_name: str, name: str) -> OperationModel | None:
    """The model of an operation, or None if the service has none of that name."""
    return model(service_name).operation_model(name) if name in _operation_names(service_name) else None


@cache
def error_shapes(service_name: str) -> Mapping[str, ErrorShape]:
    """The errors a service's model declares, by shape name and by wire code (IAM and STS: "NoSuchEntityException", "NoSuchEntity")."""
    found: dict[str, ErrorShape] = {}
    for name, shape in _description(service_name)["shapes"].items():
        if not (shape.get("exception") or shape.get("error")):
            continue
        declared = shape.get("error", {})
        written = ErrorShape(
            code=declared.get("code", name),
            status=declared.get("httpStatusCode", 500 if shape.get("fault") else 400),
            members=frozenset(member for member in shape.get("members", {}) if member.lower() != "message"),
        )
        found[name] = found[written.code] = written
    return found


# Java's regular expressions, which the models are written in, as Python's re writes them. Each is used inside a character class that
# also holds "_", so \w (letters, digits and "_") stands for the letters and the numbers.
_JAVA_CLASSES = (
    (r"\p{L}", r"\w"),
    (r"\p{N}", ""),
    (r"\p{Z}", " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"),
    (r"\p{ASCII}", r"[\x00-\x7f]"),
    (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"),
    (r"\u10000-\u10FFFF", r"\U00010000-\U0010FFFF"),
)


@cache
def pattern(java: str) -> re.Pattern[str]:
    """A model's pattern, to be used with `fullmatch`. \\w, \\d and \\s are ASCII, as they are in Java."""
    flags = re.NOFLAG if r"\p{L}" in java else re.ASCII
    python = java
    for before, after in _JAVA_CLASSES:
        python = python.replace(before, after)
    return re.compile(python, flags)


# One-time codes, which botocore's models do not call sensitive.
_CODES = frozenset({"authenticationCodeType", "tokenCodeType"})


def is_secret(shape: Shape) -> bool:
    """Whether a value is repeated in no error and no record."""
    return shape.type_name == "blob" or bool(shape.metadata.get("sensitive")) or shape.name in _CODES
