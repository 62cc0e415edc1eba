"""Guards that can say why not, on top of django-fsm's conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext_lazy as _
from django_fsm import TransitionNotAllowed

from .errors import Sentence, TransitionRefused

Guard = Callable[[Any], bool]


def guard(reason: Sentence) -> Callable[[Guard], Guard]:
    """Attach to a condition the sentence that is shown when the condition does not hold."""

    def attach(condition: Guard) -> Guard:
        condition.reason = reason  # type: ignore[attr-defined]
        return condition

    return attach


def refusals(method: Any) -> list[Sentence]:
    """The sentences that keep a bound transition from running now; empty when it may run."""
    instance, meta = method.__self__, method._django_fsm
    state = meta.field.get_state(instance) if hasattr(meta.field, "get_state") else getattr(instance, meta.field)
    transition = meta.get_transition(state)
    if transition is None:
        return [_("This is not possible while the state is “%(state)s”.") % {"state": instance.get_state_label()}]
    return [
        getattr(condition, "reason", _("A condition is not met."))
        for condition in transition.conditions
        if not condition(instance)
    ]


def fits(method: Any) -> bool:
    """Whether a bound transition leads out of the present state at all, whatever its guards say."""
    instance, meta = method.__self__, method._django_fsm
    state = meta.field.get_state(instance) if hasattr(meta.field, "get_state") else getattr(instance, meta.field)
    return meta.get_transition(state) is not None


def run(method: Any, **arguments: Any) -> None:
    """Run a bound transition in memory, or raise TransitionRefused with every unmet reason."""
    if reasons := refusals(method):
        raise TransitionRefused(*reasons, transition=method.__name__)
    try:
        method(**arguments)
    except TransitionNotAllowed as problem:
        raise TransitionRefused(_("This is not possible now."), transition=method.__name__) from problem
