"""Terraform's AWS provider: keys of each kind and IAM around them: apply, an empty second plan, destroy.

Runs where the `terraform` binary and the provider (from a filesystem mirror) are present; elsewhere it is skipped, and says so.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.server import ACCESS_KEY_ID, SECRET, Server
from tests.support.terraform import Terraform, needs_terraform, said

pytestmark = [pytest.mark.client, pytest.mark.slow, needs_terraform]

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
resource "aws_iam_openid_connect_provider" "github" {
  url             = "https://token.actions.githubusercontent.com"
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = ["ffffffffffffffffffffffffffffffffffffffff"]
  tags            = { team = "blue" }
}
resource "aws_iam_role" "deploy" {
  name = "tf-deploy"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = aws_iam_openid_connect_provider.github.arn }
      Condition = {
        StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com" }
        StringLike   = { "token.actions.githubusercontent.com:sub" = "repo:acme/app:*" }
      }
    }]
  })
}
data "aws_regions" "enabled" {}
data "aws_resourcegroupstaggingapi_resources" "blue" {
  tag_filter {
    key    = "team"
    values = ["blue"]
  }
  depends_on = [aws_kms_key.symmetric]
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
    kms                      = "%(url)s"
    iam                      = "%(url)s"
    sts                      = "%(url)s"
    ec2                      = "%(url)s"
    resourcegroupstaggingapi = "%(url)s"
  }
}
"""


def test_terraform_applies_plans_nothing_more_and_destroys(server: Server, tmp_path: Path) -> None:
    given = {"access_key": ACCESS_KEY_ID, "secret": SECRET, "url": server.url}
    providers = PROVIDER % {**given, "alias": "", "region": "us-east-1"}
    providers += PROVIDER % {**given, "alias": 'alias = "elsewhere"', "region": "eu-west-1"}
    terraform = Terraform(server, tmp_path, CONFIGURATION % {"providers": providers}, installed=True)
    steps = (
        "init -input=false",
        "apply -auto-approve -input=false",
        "plan -detailed-exitcode -input=false",  # fails where anything is left to change
        "destroy -auto-approve -input=false -refresh=false",  # the plan has just read everything
    )
    for step in steps:
        done = terraform.run(step)
        assert done.returncode == 0, said(done)
