"""Sign in by SAML: the identity provider has the browser post its response here; of several roles the person chooses one.

The post comes from the provider's site, so it has no token of a form of ours: what it brings is signed, for this address, and counts once.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from console import public_address, redirects
from engine.public import identity_providers, signin
from principals.sign_in import steps
from principals.sign_in.views.sign_in import refused


def saml_address(request: HttpRequest, provider_id: str = "") -> str:
    """Where responses are posted to: what the provider has to name as their recipient. One that encrypts has an address of its own, as at
    AWS, because an encrypted response does not say who can open it."""
    path = reverse("sign-in-saml", args=[provider_id] if provider_id else [])
    return f"{public_address.of(request)}{path}"


@csrf_exempt
@require_POST
@sensitive_post_parameters("SAMLResponse")
def consume(request: HttpRequest, provider_id: str = "") -> HttpResponse:
    response, after = request.POST.get("SAMLResponse", ""), redirects.safe(request, request.POST.get("RelayState", ""))
    try:
        choices = identity_providers.saml_choices(response, provider_id)
        wanted = request.POST.get("role", "")
        chosen = choices[0] if len(choices) == 1 else next((each for each in choices if each.role_arn == wanted), None)
        if chosen is None:
            context = {"choices": choices, "response": response, "after": after}
            return render(request, "principals/sign_in_saml.html", context)
        found = identity_providers.saml_finish(
            response, chosen, recipient=saml_address(request, provider_id), **steps.browser(request)
        )
    except signin.SignInRefused as refusal:
        return refused(request, str(refusal))
    return steps.arrive(request, found, after)
