"""My keys: single keys on or off, and another key for each thing (interface.md §5, WCAG 2.1.4)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from common.keys import KEYS, keys_of
from desk.doors import FRAME, requires
from desk.views.settings import tabs
from staff.services import set_keys


class KeysForm(forms.Form):
    """One field for each key; empty means that nothing does it. Two things cannot have one key."""

    single_keys = forms.BooleanField(label=gettext_lazy("Use single keys"), required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for key in KEYS:
            # Longer than one: what is wrong is said, not cut off.
            box = forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"})
            self.fields[key.name] = forms.CharField(label=key.words, required=False, widget=box)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [{"field": self[key.name], "standard": key.standard} for key in KEYS]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        holders: dict[str, list[Any]] = {}
        for key in KEYS:
            typed = given.get(key.name, "")
            if typed and not (len(typed) == 1 and "!" <= typed <= "~"):
                self.add_error(key.name, _("One letter, figure or sign that the keyboard types at once."))
            elif typed:
                holders.setdefault(typed, []).append(key)
        for typed, same in holders.items():
            for key in same if len(same) > 1 else []:
                others = _(", ").join(str(other.words) for other in same if other is not key)
                self.add_error(
                    key.name, _("%(key)s is also the key for: %(others)s") % {"key": typed, "others": others}
                )
        return given


@requires(*FRAME)
@require_http_methods(["GET", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    person: Any = request.user
    if request.method == "GET":
        form = KeysForm(initial={"single_keys": person.single_keys, **keys_of(person)})
        return _show(request, form)
    if "standard" in request.POST:
        set_keys(person=person, single_keys=True, keys={})
        messages.success(request, _("The keys are the standard ones again."))
        return redirect("desk:keys")
    form = KeysForm(request.POST)
    if not form.is_valid():
        return _show(request, form, status=422)
    chosen = dict(form.cleaned_data)
    set_keys(person=person, single_keys=chosen.pop("single_keys"), keys=chosen)
    messages.success(request, _("Your keys are kept. They hold from now on."))
    return redirect("desk:keys")


def _show(request: HttpRequest, form: KeysForm, *, status: int = 200) -> HttpResponse:
    return render(request, "desk/settings/keys.html", {"tabs": tabs(request), "form": form}, status=status)


urlpatterns = [path("settings/keys/", keys, name="keys")]
