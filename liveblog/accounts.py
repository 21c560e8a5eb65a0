"""Accounts: sign-in with an optional second factor (TOTP), and password reset."""

from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import views
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse_lazy
from django.utils import translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_otp import match_token, user_has_device
from django_otp.plugins.otp_totp.models import TOTPDevice
from qrcode.image.svg import SvgPathFillImage
from qrcode.main import QRCode

from entries.desk.account import language_of

MAIL_PAUSE_SECONDS = 300  # between mails to one address, per process
WRONG_CODE = _(
    "The code is missing, wrong or used up. Take the next one that the app shows."
)


def client_address(request: HttpRequest) -> str:
    """Return the client's IP address, by which failed sign-ins are counted.

    The server has already applied the headers of a trusted proxy. For IPv6, return the
    /64 network, since an attacker could use a new address in it for each guess.
    """
    try:
        ip = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:  # a Unix socket, or garbage from a proxy
        return "::"
    if isinstance(ip, IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(IPv6Network((int(ip), 64), strict=False).network_address)


class ProfileBackend(ModelBackend):
    """Django's accounts, read with their profiles in one query.

    Every request to the desk needs both, for the language of its user.
    """

    def authenticate(self, *args: Any, **credentials: Any) -> User:
        """Check a password, and leave no second guess to the next backend."""
        user = super().authenticate(*args, **credentials)
        if not isinstance(user, User):
            raise PermissionDenied
        return user

    def get_user(self, user_id: int) -> User | None:
        """Return an active account with its profile."""
        user = User.objects.select_related("profile").filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None


class CodeForm(forms.Form):
    """A code of six digits from an authenticator app."""

    code = forms.CharField(
        label=_("Code"),
        max_length=10,
        widget=forms.TextInput(
            {"autocomplete": "one-time-code", "inputmode": "numeric", "size": 10}
        ),
    )


class SignInForm(AdminAuthenticationForm):
    """Username, password, and a code if the account has a second factor."""

    code = forms.CharField(
        label=_("Code from your app, if you use one"),
        max_length=10,
        required=False,
        widget=CodeForm.base_fields["code"].widget,
    )

    def confirm_login_allowed(self, user: User) -> None:
        """Reject users who are not staff, and a missing or wrong code."""
        super().confirm_login_allowed(user)
        if not user_has_device(user):
            return
        if not match_token(user, "".join(self.data.get("code", "").split())):
            raise ValidationError(WRONG_CODE, code="code")


class ResetForm(PasswordResetForm):
    """A password reset form that links to SITE_URL and limits the mails per address."""

    def save(self, **options: Any) -> None:  # type: ignore[override]
        """Send the mail, unless one was recently sent to this address."""
        key = f"reset:{self.cleaned_data['email'].casefold()}"
        if not cache.add(key, True, MAIL_PAUSE_SECONDS):
            return
        site = urlsplit(settings.SITE_URL)
        options |= {"domain_override": site.netloc, "use_https": site.scheme == "https"}
        options["extra_email_context"] = {"site_name": settings.SITE_NAME}
        super().save(**options)

    def send_mail(self, *args: Any, **options: Any) -> None:
        """Send the mail in the language in which the account's owner uses the desk."""
        context = options.get("context") or args[2]
        with translation.override(language_of(context["user"])):
            super().send_mail(*args, **options)


@never_cache
@require_http_methods(["GET", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """Turn the user's second factor on or off, after they enter a valid code."""
    user = request.user
    assert isinstance(user, User)  # noqa: S101 - the admin requires it
    on = user_has_device(user)
    device = None if on else _unconfirmed_device(user)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        code = "".join(form.cleaned_data["code"].split())
        if device is None and match_token(user, code):
            TOTPDevice.objects.filter(user=user).delete()
            messages.success(request, gettext("Two-step sign-in is off."))
            return redirect("admin:index")
        if device is not None and device.verify_token(code):
            TOTPDevice.objects.filter(pk=device.pk).update(confirmed=True)
            messages.success(request, gettext("Two-step sign-in is on."))
            return redirect("admin:index")
        form.add_error("code", WRONG_CODE)
    context = {
        **admin.site.each_context(request),
        "title": gettext("Two-step sign-in"),
        "is_nav_sidebar_enabled": False,
        "form": form,
        "on": on,
        "device": device,
        "picture": device and _qr_code(device.config_url),
        "key": device and _grouped_key(device),
    }
    return render(request, "admin/second_factor.html", context)


def _unconfirmed_device(user: User) -> Any:
    return TOTPDevice.objects.get_or_create(
        user=user, confirmed=False, defaults={"name": "App"}
    )[0]


def _qr_code(url: str) -> SafeString:
    code = QRCode(image_factory=SvgPathFillImage, box_size=16)
    code.add_data(url)
    return SafeString(code.make_image().to_string(encoding="unicode"))


def _grouped_key(device: Any) -> str:
    """Return the secret key in groups of four characters, for typing it into an app."""
    key = device.config_url.partition("secret=")[2].partition("&")[0]
    return " ".join(key[i : i + 4] for i in range(0, len(key), 4))


def account_urls(*, mail: bool) -> list[URLPattern]:
    """Return the URLs of accounts; users can ask for a reset only if there is `mail`.

    The page behind a reset link always exists, since a chief may hand over a link.
    """
    view = admin.site.admin_view(second_factor)
    context = {
        "site_header": admin.site.site_header,
        "site_title": admin.site.site_title,
    }
    new = views.PasswordResetConfirmView.as_view(
        success_url=reverse_lazy("password_reset_complete"), extra_context=context
    )
    done = views.PasswordResetCompleteView.as_view(extra_context=context)
    urls = [
        path("second-factor/", view, name="second_factor"),
        path("password/<uidb64>/<token>/", new, name="password_reset_confirm"),
        path("password/done/", done, name="password_reset_complete"),
    ]
    if mail:
        urls += _password_reset_urls(context)
    return urls


def _password_reset_urls(context: dict[str, Any]) -> list[URLPattern]:
    ask = views.PasswordResetView.as_view(
        form_class=ResetForm,
        email_template_name="registration/password_reset_email.txt",
        success_url=reverse_lazy("password_reset_done"),
        extra_context=context,
    )
    sent = views.PasswordResetDoneView.as_view(extra_context=context)
    return [
        path("password/", ask, name="admin_password_reset"),
        path("password/sent/", sent, name="password_reset_done"),
    ]


admin.site.login_form = SignInForm
admin.site.login_template = "admin/sign_in.html"
