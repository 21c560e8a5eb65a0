"""All addresses of the site."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from entries.admin import linkdesk, moderate
from liveblog import accounts

urlpatterns = [
    path("admin/moderate/", moderate.page, name="moderate"),
    path("admin/moderate/features/", linkdesk.of_site, name="feature"),
    path("admin/moderate/links/<row:pk>/", moderate.resolve, name="resolve"),
    path("admin/", include(accounts.addresses(mail=bool(settings.EMAIL_HOST)))),
    path("admin/", admin.site.urls),
    path("", include("entries.urls")),
]
handler400 = "entries.errors.bad_request"
handler403 = "entries.errors.forbidden"
handler500 = "entries.errors.failed"
