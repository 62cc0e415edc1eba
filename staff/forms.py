from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _

from .models import Presence, User


class SignInForm(AuthenticationForm):
    """One message whatever was wrong, so that it does not tell which accounts exist."""

    error_messages = {"invalid_login": _("The name and the password do not match. Check both, then try again.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = _("Name")
        self.fields["password"].label = _("Password")
        self.fields["username"].error_messages["required"] = _("Write your sign-in name")
        self.fields["password"].error_messages["required"] = _("Write your password")

    def get_invalid_login_error(self) -> forms.ValidationError:
        return forms.ValidationError(self.error_messages["invalid_login"], code="invalid_login")


class PreferencesForm(forms.Form):
    """Any part of the preferences; what is not sent stays as it is."""

    theme = forms.ChoiceField(choices=User.Theme.choices, required=False)
    density = forms.ChoiceField(choices=User.Density.choices, required=False)
    language = forms.ChoiceField(choices=settings.LANGUAGES, required=False)


class PresenceForm(forms.Form):
    presence = forms.ChoiceField(choices=Presence.choices)
