"""The IAM operations: one row each."""

from __future__ import annotations

from engine.iam import (
    access_reports,
    certificates_api,
    credential_report,
    credentials_api,
    details,
    entities,
    entity_tags,
    instance_profiles,
    mfa_api,
    oidc_providers,
    passwords,
    policies_api,
    principals_api,
    saml_providers,
    service_credentials,
    service_linked_roles,
    simulate,
)
from engine.iam.entities import GROUP, ROLE, USER, Kind
from engine.operation import Operation


def _of_kind(kind: Kind) -> dict[str, Operation]:
    """Operations that are alike for users, groups and roles."""
    word = kind.word.capitalize()
    return {
        f"Put{word}Policy": Operation(policies_api.put_inline(kind), writes=True),
        f"Get{word}Policy": Operation(policies_api.get_inline(kind)),
        f"Delete{word}Policy": Operation(policies_api.delete_inline(kind), writes=True),
        f"List{word}Policies": Operation(policies_api.list_inline(kind)),
        f"Attach{word}Policy": Operation(policies_api.attach(kind), writes=True),
        f"Detach{word}Policy": Operation(policies_api.detach(kind), writes=True),
        f"ListAttached{word}Policies": Operation(policies_api.list_attached(kind)),
    }


def _of_tagged_kind(kind: Kind) -> dict[str, Operation]:
    word = kind.word.capitalize()
    return {
        **entity_tags.operations(
            word, lambda context, parameters: entities.permitted(context, kind, parameters), announced=True
        ),
        f"Put{word}PermissionsBoundary": Operation(principals_api.put_boundary(kind), writes=True),
        f"Delete{word}PermissionsBoundary": Operation(principals_api.delete_boundary(kind), writes=True),
    }


OPERATIONS: dict[str, Operation] = {
    **_of_kind(USER),
    **_of_kind(GROUP),
    **_of_kind(ROLE),
    **_of_tagged_kind(USER),
    **_of_tagged_kind(ROLE),
    **access_reports.OPERATIONS,
    **certificates_api.OPERATIONS,
    **instance_profiles.OPERATIONS,
    **mfa_api.OPERATIONS,
    **passwords.OPERATIONS,
    **policies_api.TAGS,
    **service_credentials.OPERATIONS,
    **oidc_providers.OPERATIONS,
    **saml_providers.OPERATIONS,
    **service_linked_roles.OPERATIONS,
    "AddUserToGroup": Operation(principals_api.add_user_to_group, writes=True),
    "ChangePassword": Operation(credentials_api.change_password, writes=True, prepare=credentials_api.change_prepared),
    "CreateAccessKey": Operation(credentials_api.create_access_key, writes=True),
    "CreateAccountAlias": Operation(credentials_api.create_account_alias, writes=True),
    "CreateGroup": Operation(principals_api.create_group, writes=True),
    "CreateLoginProfile": Operation(
        credentials_api.create_login_profile, writes=True, prepare=credentials_api.create_prepared
    ),
    "CreatePolicy": Operation(policies_api.create_policy, writes=True),
    "CreatePolicyVersion": Operation(policies_api.create_policy_version, writes=True),
    "CreateRole": Operation(principals_api.create_role, writes=True),
    "CreateUser": Operation(principals_api.create_user, writes=True),
    "DeleteAccessKey": Operation(credentials_api.delete_access_key, writes=True),
    "DeleteAccountAlias": Operation(credentials_api.delete_account_alias, writes=True),
    "DeleteGroup": Operation(principals_api.delete_group, writes=True),
    "DeleteLoginProfile": Operation(credentials_api.delete_login_profile, writes=True),
    "DeletePolicy": Operation(policies_api.delete_policy, writes=True),
    "DeletePolicyVersion": Operation(policies_api.delete_policy_version, writes=True),
    "DeleteRole": Operation(principals_api.delete_role, writes=True),
    "DeleteUser": Operation(principals_api.delete_user, writes=True),
    "GenerateCredentialReport": Operation(credential_report.generate, writes=True),
    "GetContextKeysForCustomPolicy": Operation(simulate.get_context_keys_for_custom_policy),
    "GetContextKeysForPrincipalPolicy": Operation(simulate.get_context_keys_for_principal_policy),
    "GetCredentialReport": Operation(credential_report.get),
    "GetAccessKeyLastUsed": Operation(credentials_api.get_access_key_last_used),
    "GetAccountAuthorizationDetails": Operation(details.get_account_authorization_details),
    "GetAccountSummary": Operation(principals_api.get_account_summary),
    "GetGroup": Operation(principals_api.get_group),
    "GetLoginProfile": Operation(credentials_api.get_login_profile),
    "GetPolicy": Operation(policies_api.get_policy),
    "GetPolicyVersion": Operation(policies_api.get_policy_version),
    "GetRole": Operation(principals_api.get_role),
    "GetUser": Operation(principals_api.get_user),
    "ListAccessKeys": Operation(credentials_api.list_access_keys),
    "ListAccountAliases": Operation(credentials_api.list_account_aliases),
    "ListEntitiesForPolicy": Operation(policies_api.list_entities_for_policy),
    "ListGroups": Operation(principals_api.list_groups),
    "ListGroupsForUser": Operation(principals_api.list_groups_for_user),
    "ListPolicies": Operation(policies_api.list_policies),
    "ListPolicyVersions": Operation(policies_api.list_policy_versions),
    "ListRoles": Operation(principals_api.list_roles),
    "ListUsers": Operation(principals_api.list_users),
    "RemoveUserFromGroup": Operation(principals_api.remove_user_from_group, writes=True),
    "SetDefaultPolicyVersion": Operation(policies_api.set_default_policy_version, writes=True),
    "SetSecurityTokenServicePreferences": Operation(
        credentials_api.set_security_token_service_preferences, writes=True
    ),
    "SimulateCustomPolicy": Operation(simulate.simulate_custom_policy),
    "SimulatePrincipalPolicy": Operation(simulate.simulate_principal_policy),
    "UpdateAccessKey": Operation(credentials_api.update_access_key, writes=True),
    "UpdateAssumeRolePolicy": Operation(principals_api.update_assume_role_policy, writes=True),
    "UpdateGroup": Operation(principals_api.update_group, writes=True),
    "UpdateLoginProfile": Operation(
        credentials_api.update_login_profile, writes=True, prepare=credentials_api.update_prepared
    ),
    "UpdateRole": Operation(principals_api.update_role, writes=True),
    "UpdateRoleDescription": Operation(principals_api.update_role_description, writes=True),
    "UpdateUser": Operation(principals_api.update_user, writes=True),
}
