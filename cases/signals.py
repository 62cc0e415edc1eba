"""Facts about cases that higher rooms may hear.

`case_changed` is sent inside the transaction that holds the case's row lock, before the case is saved, with
`case`, `transitions` (verbs, or names of milestones such as "first_reply"), `at` and `by`. Receivers write
rows, idempotently and quickly; they may set fields of `case` and add facts with `cases.services.add_fact`.
"""

from django.dispatch import Signal

case_changed = Signal()
