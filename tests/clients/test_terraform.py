"""Terraform's AWS provider: keys of each kind and IAM around them: apply, an empty second plan, destroy.

Runs where the `terraform` binary and the provider (from a filesystem mirror) are present; elsewhere it is skipped, and says so.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.server import ACCESS_KEY_ID, SECRET, Server

MIRRORS = [os.path.expanduser("~/.terraform.d/plugins"), "/usr/share/terraform/plugins", *glob.glob("/opt/*")]


def mirror() -> str | None:
    return next((each for each in MIRRORS if glob.glob(f"{each}/registry.terraform.io/hashicorp/aws/*")), None)


pytestmark = [
    pytest.mark.client,
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("terraform") or not mirror(), reason="terraform or its AWS provider is not here"
    ),
]

CONFIGURATION = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
%(providers)s

resource "aws_kms_key" "symmetric" {
  description             = "symmetric"
  enable_key_rotation     = true
  rotation_period_in_days = 180
  deletion_window_in_days = 7
  tags                    = { team = "blue" }
}
resource "aws_kms_key" "rsa" {
  customer_master_key_spec = "RSA_2048"
  key_usage                = "SIGN_VERIFY"
  deletion_window_in_days  = 7
}
resource "aws_kms_key" "ecc" {
  customer_master_key_spec = "ECC_NIST_P256"
  key_usage                = "SIGN_VERIFY"
  deletion_window_in_days  = 7
}
resource "aws_kms_key" "hmac" {
  customer_master_key_spec = "HMAC_256"
  key_usage                = "GENERATE_VERIFY_MAC"
  deletion_window_in_days  = 7
}
resource "aws_kms_key" "primary" {
  multi_region            = true
  deletion_window_in_days = 7
}
resource "aws_kms_replica_key" "replica" {
  provider                = aws.elsewhere
  primary_key_arn         = aws_kms_key.primary.arn
  deletion_window_in_days = 7
}
resource "aws_kms_external_key" "brought" {
  description             = "brought"
  key_material_base64     = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
  enabled                 = true
  deletion_window_in_days = 7
}
resource "aws_kms_alias" "app" {
  name          = "alias/terraform-app"
  target_key_id = aws_kms_key.symmetric.key_id
}
resource "aws_iam_group" "students" { name = "tf-students" }
resource "aws_iam_user" "student" { name = "tf-student" }
resource "aws_iam_user_group_membership" "student" {
  user   = aws_iam_user.student.name
  groups = [aws_iam_group.students.name]
}
resource "aws_iam_access_key" "student" { user = aws_iam_user.student.name }
resource "aws_iam_policy" "use" {
  name   = "tf-use"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "kms:ListKeys", Resource = "*" }] })
}
resource "aws_iam_group_policy_attachment" "use" {
  group      = aws_iam_group.students.name
  policy_arn = aws_iam_policy.use.arn
}
resource "aws_iam_role" "app" {
  name = "tf-app"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = aws_iam_user.student.arn } }]
  })
}
resource "aws_iam_role_policy" "app" {
  role   = aws_iam_role.app.name
  name   = "inline"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "kms:Decrypt", Resource = "*" }] })
}
resource "aws_kms_grant" "app" {
  key_id            = aws_kms_key.symmetric.key_id
  grantee_principal = aws_iam_role.app.arn
  operations        = ["Encrypt", "Decrypt", "DescribeKey"]
  constraints {
    encryption_context_equals = { team = "blue" }
  }
}
resource "aws_kms_key_policy" "ecc" {
  key_id = aws_kms_key.ecc.key_id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "root", Effect = "Allow", Action = "kms:*", Resource = "*", Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" } },
      { Sid = "use", Effect = "Allow", Action = ["kms:Sign", "kms:GetPublicKey"], Resource = "*", Principal = { AWS = aws_iam_user.student.arn } }
    ]
  })
}
resource "aws_kms_ciphertext" "secret" {
  key_id    = aws_kms_key.symmetric.key_id
  plaintext = "hidden"
  context   = { team = "blue" }
}
data "aws_caller_identity" "me" {}
data "aws_kms_alias" "app" {
  name       = aws_kms_alias.app.name
  depends_on = [aws_kms_alias.app]
}
data "aws_kms_public_key" "rsa" { key_id = aws_kms_key.rsa.key_id }
"""

PROVIDER = """
provider "aws" {
  %(alias)s
  region                      = "%(region)s"
  access_key                  = "%(access_key)s"
  secret_key                  = "%(secret)s"
  skip_metadata_api_check     = true
  skip_region_validation      = true
  endpoints {
    kms = "%(url)s"
    iam = "%(url)s"
    sts = "%(url)s"
  }
}
"""


def test_terraform_applies_plans_nothing_more_and_destroys(server: Server, tmp_path: Path) -> None:
    given = {"access_key": ACCESS_KEY_ID, "secret": SECRET, "url": server.url}
    providers = PROVIDER % {**given, "alias": "", "region": "us-east-1"}
    providers += PROVIDER % {**given, "alias": 'alias = "elsewhere"', "region": "eu-west-1"}
    (tmp_path / "main.tf").write_text(CONFIGURATION % {"providers": providers})
    (tmp_path / "terraformrc").write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror()}"\n  }}\n}}\n'
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "TF_CLI_CONFIG_FILE": str(tmp_path / "terraformrc"),
        "TF_IN_AUTOMATION": "1",
        "CHECKPOINT_DISABLE": "1",
    }

    def terraform(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["terraform", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )

    done = terraform("init", "-input=false", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr
    done = terraform("apply", "-auto-approve", "-input=false", "-no-color")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    done = terraform("plan", "-detailed-exitcode", "-input=false", "-no-color")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    done = terraform("destroy", "-auto-approve", "-input=false", "-no-color")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
