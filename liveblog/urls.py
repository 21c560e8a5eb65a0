"""All addresses of the site."""

from django.contrib import admin
from django.urls import include, path

from entries.admin import linkdesk, moderate

urlpatterns = [
    path("admin/moderate/", moderate.page, name="moderate"),
    path("admin/moderate/features/", linkdesk.of_site, name="feature"),
    path("admin/moderate/links/<int:pk>/", moderate.resolve, name="resolve"),
    path("admin/", admin.site.urls),
    path("", include("entries.urls")),
]
