"""Addresses of sign-in, users, groups, roles and policies."""

from __future__ import annotations

from django.urls import path

from principals.account import password_policy
from principals.groups import views as groups
from principals.identity_providers import edit as identity_provider_edit
from principals.identity_providers import views as identity_providers
from principals.last_accessed import views as last_accessed
from principals.mfa import views as mfa
from principals.policies.views import attachments, inline, managed
from principals.roles import views as roles
from principals.sign_in.views import enrolment, provider, root, saml, sign_in, steps, switch
from principals.users.views import access_keys, users

urlpatterns = [
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-in/root/", root.sign_in, name="sign-in-root"),
    path("sign-in/by/<int:provider>/", provider.begin, name="sign-in-by"),
    path("sign-in/callback/", provider.back, name="sign-in-callback"),
    path("sign-in/saml/", saml.consume, name="sign-in-saml"),
    path("sign-in/saml/<slug:provider_id>/", saml.consume, name="sign-in-saml"),
    path("sign-in/second-factor/", steps.second_factor, name="sign-in-second-factor"),
    path("sign-in/enrolment/", enrolment.enrol, name="sign-in-enrolment"),
    path("sign-in/new-password/", steps.new_password, name="sign-in-new-password"),
    path("sign-in/use/", sign_in.use, name="use-session"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("users/", users.index, name="users"),
    path("users/new/", users.create, name="user-new"),
    path("users/<str:name>/", users.detail, name="user"),
    path("users/<str:name>/delete/", users.delete, name="user-delete"),
    path("users/<str:name>/password/", users.password, name="user-password"),
    path("users/<str:name>/mfa/remove/", mfa.remove, name="user-mfa-remove"),
    path("users/<str:name>/sessions/", users.end_sessions, name="user-sessions"),
    path("users/<str:name>/groups/", users.join, name="user-groups"),
    path("users/<str:name>/access-keys/new/", access_keys.create, name="access-key-new"),
    path("users/<str:name>/access-keys/<str:key_id>/", access_keys.change, name="access-key"),
    path("security-credentials/", mfa.index, name="security-credentials"),
    path("security-credentials/device/", mfa.new_device, name="mfa-device-new"),
    path("security-credentials/passkey/", mfa.new_passkey, name="passkey-new"),
    path("security-credentials/recovery-codes/", mfa.recovery_codes, name="recovery-codes"),
    path("password-policy/", password_policy.page, name="password-policy"),
    path("password-policy/second-factor/", password_policy.sign_in_rule, name="sign-in-rule"),
    path("groups/", groups.index, name="groups"),
    path("groups/new/", groups.create, name="group-new"),
    path("groups/<str:name>/", groups.detail, name="group"),
    path("groups/<str:name>/delete/", groups.delete, name="group-delete"),
    path("groups/<str:name>/users/", groups.members, name="group-users"),
    path("roles/", roles.index, name="roles"),
    path("roles/new/", roles.create, name="role-new"),
    path("switch-role/", switch.switch, name="switch-role"),
    path("back-to-user/", switch.back, name="back-to-user"),
    path("roles/<str:name>/", roles.detail, name="role"),
    path("roles/<str:name>/trust/", roles.trust, name="role-trust"),
    path("roles/<str:name>/settings/", roles.settings, name="role-settings"),
    path("roles/<str:name>/delete/", roles.delete, name="role-delete"),
    path("policies/", managed.index, name="policies"),
    path("policies/new/", managed.create, name="policy-new"),
    path("policies/one/", managed.detail, name="policy"),
    path("policies/one/version/", managed.version, name="policy-version"),
    path("policies/one/edit/", managed.new_version, name="policy-edit"),
    path("policies/one/delete/", managed.delete, name="policy-delete"),
    path("identity-providers/", identity_providers.index, name="identity-providers"),
    path("identity-providers/new/", identity_providers.create, name="identity-provider-new"),
    path("identity-providers/new/saml/", identity_providers.create_saml, name="saml-provider-new"),
    path("identity-providers/one/", identity_providers.detail, name="identity-provider"),
    path("identity-providers/one/edit/", identity_provider_edit.edit, name="identity-provider-edit"),
    path(
        "identity-providers/one/private-key/", identity_provider_edit.remove_key, name="identity-provider-private-key"
    ),
    path("identity-providers/one/sign-in/", identity_providers.sign_in, name="identity-provider-sign-in"),
    path("identity-providers/one/keys/", identity_providers.keys, name="identity-provider-keys"),
    path("identity-providers/one/preview/", identity_providers.preview, name="identity-provider-preview"),
    path("identity-providers/one/delete/", identity_providers.delete, name="identity-provider-delete"),
    path("<str:kind>/<str:name>/attached/", attachments.change, name="attached"),
    path("<str:kind>/<str:name>/last-accessed/", last_accessed.page, name="last-accessed"),
    path("<str:kind>/<str:name>/boundary/", attachments.boundary, name="boundary"),
    path("<str:kind>/<str:name>/tags/", attachments.tag, name="entity-tags"),
    path("<str:kind>/<str:name>/policies/new/", inline.edit, name="inline-policy-new"),
    path("<str:kind>/<str:name>/policies/<str:policy>/", inline.edit, name="inline-policy"),
    path("<str:kind>/<str:name>/policies/<str:policy>/delete/", inline.delete, name="inline-policy-delete"),
]
