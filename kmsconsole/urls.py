"""One line a room: every page's address begins here."""

from __future__ import annotations

from django.urls import include, path

from keys.clock import views as clock
from keys.overview import views as overview
from kmsconsole.frame import search, style_sheet, views
from learn.class_accounts.views import joining
from principals.profile import views as profile

urlpatterns = [
    path("", overview.home, name="home"),
    path("keys/", include("keys.urls")),
    path("stores/", include("keys.stores.urls")),
    path("access/", include("access.urls")),
    path("play/", include("playground.urls")),
    path("lab/", include("learn.labs.urls")),
    path("learn/", include("learn.lessons.urls")),
    path("classes/accounts/", include("learn.class_accounts.urls")),
    path("classes/", include("learn.classes.urls")),
    path("drills/", include("learn.drills.urls")),
    path("join/<slug:code>/", joining.join, name="class-join"),
    path("principals/", include("principals.urls")),
    path("audit/", include("audit.urls")),
    path("settings/endpoints/", include("keys.endpoints.urls")),
    path("settings/clock/", clock.page, name="clock"),
    path("settings/profile/", profile.page, name="profile"),
    path("settings/profile/sessions/", profile.end_sessions, name="own-sessions"),
    path("styleguide/", views.styleguide, name="styleguide"),
    path("theme/", views.theme, name="theme"),
    path("language/", views.language, name="language"),
    path("region/", views.region, name="region"),
    path("search/", search.search, name="search"),
    path("console.<str:version>.css", style_sheet.style_sheet, name="style-sheet"),
    path("favicon.ico", views.favicon, name="favicon"),
]

handler400 = "kmsconsole.frame.views.bad_request"
handler403 = "kmsconsole.frame.views.forbidden"
handler404 = "kmsconsole.frame.views.not_found"
handler500 = "kmsconsole.frame.views.server_error"
