"""Facts about cases that higher rooms may hear.

`case_changed` is sent inside the transaction that holds the case's row lock, before the case is saved, with
`case`, `transitions` (verbs, or names of milestones such as "first_reply"), `at` and `by`. Receivers write
rows, idempotently and quickly; they may set fields of `case` and add facts with `cases.services.add_fact`. What is
"opened" is not written yet: rows may point at it (foreign keys are checked at the end), but no query finds it. The
sweep, which has read a case's `deadlines`, sends them along.
"""

from django.dispatch import Signal

case_changed = Signal()
