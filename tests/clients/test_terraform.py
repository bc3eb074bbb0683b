"""Terraform's AWS provider: keys of each kind, a custom key store and IAM around them: apply, an empty second plan, destroy.

With `make clients` also a change in place, with a provider that `init` installs, and a replica key by a second provider block; else the
provider is running already, which takes one block, and the replica is of a primary key that was made elsewhere (tests.support.terraform).
Runs where the `terraform` binary and the provider (from a filesystem mirror) are present; elsewhere it is skipped, and says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import credential_calls, identity_providers, key_stores, tools
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
  %(primary)s
  deletion_window_in_days = 7
}
resource "aws_kms_custom_key_store" "hsm" {
  cloud_hsm_cluster_id     = %(cluster)s
  custom_key_store_name    = "by-terraform"
  key_store_password       = %(pin)s
  trust_anchor_certificate = %(trust_anchor)s
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
resource "aws_kms_grant" "deploy" {
  key_id            = aws_kms_key.symmetric.key_id
  grantee_principal = aws_iam_role.deploy.arn
  operations        = ["Decrypt"]
}
%(account)s
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

# What an account has around its keys. `turn` is what the long form changes in place (make clients).
ACCOUNT = """
variable "turn" { default = "one" }
locals { changed = var.turn == "two" }
resource "aws_iam_service_linked_role" "autoscaling" {
  aws_service_name = "autoscaling.amazonaws.com"
  custom_suffix    = "tf"
  description      = var.turn
}
resource "aws_kms_key" "volumes" {
  description             = "volumes of EKS nodes"
  deletion_window_in_days = 7
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "root", Effect = "Allow", Action = "kms:*", Resource = "*", Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.me.account_id}:root" } },
      { Sid = "use", Effect = "Allow", Action = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"], Resource = "*",
        Principal = { AWS = [aws_iam_service_linked_role.autoscaling.arn, aws_iam_role.node.arn] } },
      { Sid = "attach", Effect = "Allow", Action = "kms:CreateGrant", Resource = "*", Principal = { AWS = aws_iam_service_linked_role.autoscaling.arn },
        Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" } } }
    ]
  })
}
resource "aws_iam_role" "node" {
  name               = "tf-node"
  description        = var.turn
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }] })
  tags               = { team = var.turn }
}
resource "aws_iam_role_policy_attachment" "node" {
  role       = aws_iam_role.node.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"
}
resource "aws_iam_instance_profile" "node" {
  name = "tf-node"
  role = local.changed ? aws_iam_role.app.name : aws_iam_role.node.name
  tags = { team = var.turn }
}
resource "aws_iam_saml_provider" "company" {
  name                   = "tf-company"
  saml_metadata_document = file("metadata.xml")
  tags                   = { team = var.turn }
}
resource "aws_iam_account_password_policy" "strict" {
  minimum_password_length        = local.changed ? 14 : 12
  require_symbols                = true
  require_numbers                = true
  require_lowercase_characters   = true
  require_uppercase_characters   = true
  allow_users_to_change_password = true
  max_password_age               = local.changed ? null : 90
}
resource "aws_iam_account_alias" "name" { account_alias = "tf-account-${var.turn}" }
resource "aws_iam_security_token_service_preferences" "tokens" {
  global_endpoint_token_version = local.changed ? "v1Token" : "v2Token"
}
resource "aws_iam_virtual_mfa_device" "phone" {
  virtual_mfa_device_name = "tf-phone"
  tags                    = { team = var.turn }
}
resource "aws_iam_server_certificate" "web" {
  name             = "tf-web"
  certificate_body = file("certificate.pem")
  private_key      = file("key.pem")
  tags             = { team = var.turn }
}
resource "aws_iam_user" "engineer" {
  name          = "tf-engineer"
  path          = local.changed ? "/staff/" : "/"
  force_destroy = true
}
resource "aws_iam_group" "engineers" { name = "tf-engineers" }
resource "aws_iam_group_membership" "engineers" {
  name  = "engineers"
  group = aws_iam_group.engineers.name
  users = local.changed ? [aws_iam_user.engineer.name] : [aws_iam_user.engineer.name, aws_iam_user.student.name]
}
resource "aws_iam_user_login_profile" "engineer" {
  user            = aws_iam_user.engineer.name
  password_length = 24
  depends_on      = [aws_iam_account_password_policy.strict]
}
resource "aws_iam_signing_certificate" "engineer" {
  user_name        = aws_iam_user.engineer.name
  certificate_body = file("certificate.pem")
  status           = local.changed ? "Inactive" : "Active"
}
resource "aws_iam_user_ssh_key" "engineer" {
  username   = aws_iam_user.engineer.name
  encoding   = "SSH"
  public_key = trimspace(file("ssh.pub"))
  status     = local.changed ? "Inactive" : "Active"
}
resource "aws_iam_service_specific_credential" "engineer" {
  service_name = "codecommit.amazonaws.com"
  user_name    = aws_iam_user.engineer.name
  status       = local.changed ? "Inactive" : "Active"
}
data "aws_iam_principal_policy_simulation" "app" {
  action_names      = ["kms:Decrypt"]
  policy_source_arn = aws_iam_role.app.arn
  depends_on        = [aws_iam_role_policy.app]
  lifecycle {
    postcondition {
      condition     = self.all_allowed
      error_message = "the role's own policy allows it"
    }
  }
}
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


LONG = tools.FOLDER.exists()  # `make clients`, the long form


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Server]:
    """A server of its own: a training token is one of an installation."""
    with Server(tmp_path / "data", KMSCONSOLE_WORKERS="1") as running:
        yield running


def configuration(server: Server) -> str:
    cluster = key_stores.training_cluster(server)
    given = {"access_key": ACCESS_KEY_ID, "secret": SECRET, "url": server.url}
    providers = PROVIDER % {**given, "alias": "", "region": "us-east-1"}
    if LONG:
        providers += PROVIDER % {**given, "alias": 'alias = "elsewhere"', "region": "eu-west-1"}
        primary = "provider = aws.elsewhere\n  primary_key_arn = aws_kms_key.primary.arn"
    else:
        made = server.client(region="eu-west-1").create_key(MultiRegion=True)["KeyMetadata"]["Arn"]
        primary = f"primary_key_arn = {json.dumps(made)}"
    store = {"cluster": cluster.cluster_id, "pin": cluster.pin, "trust_anchor": cluster.certificate}
    return CONFIGURATION % {
        "providers": providers,
        "account": ACCOUNT,
        "primary": primary,
        **{name: json.dumps(text) for name, text in store.items()},
    }


def test_terraform_applies_plans_nothing_more_and_destroys(serving: Server, tmp_path: Path) -> None:
    steps = [
        "init -input=false",
        "apply -auto-approve -input=false",
        "plan -detailed-exitcode -input=false",  # fails where anything is left to change
        "destroy -auto-approve -input=false -refresh=false",  # the plan has just read everything
    ]
    if LONG:
        steps[3:3] = [
            "apply -auto-approve -input=false -var turn=two",
            "plan -detailed-exitcode -input=false -var turn=two",
        ]
    folder = tmp_path / "terraform"
    folder.mkdir()
    key = credential_calls.new_key()
    for name, text in {
        "key.pem": credential_calls.pem(key),
        "certificate.pem": credential_calls.certificate("web", key),
        "ssh.pub": credential_calls.ssh_key(),
        "metadata.xml": identity_providers.metadata(),
    }.items():
        (folder / name).write_text(text)
    terraform = Terraform(serving, folder, configuration(serving), installed=LONG)
    for step in steps:
        done = terraform.run(step)
        assert done.returncode == 0, said(done)
    assert serving.client().describe_custom_key_stores()["CustomKeyStores"] == []
