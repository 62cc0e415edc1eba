"""Facts about messages that higher rooms may hear."""

from django.dispatch import Signal

# Sent inside the transaction that marks a message accepted, with the case's row locked:
# `message`, `case`, `at` (the instant of the provider's acceptance).
message_accepted = Signal()
