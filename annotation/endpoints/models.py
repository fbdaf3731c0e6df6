"""A policy that somebody else serves: any endpoint that speaks OpenAI's chat completions (vLLM, llama.cpp, a hosted one)."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Endpoint(models.Model):
    """Where it is, which model to ask for, and for how long to wait. One that was removed stays, without its key, for
    the responses that came from it."""

    class Continuation(models.TextChoices):
        """How the endpoint is asked to go on from a text that has begun."""

        NONE = "none", _("It cannot")
        VLLM = "vllm", _("As vLLM: continue_final_message")
        PREFILL = "prefill", _("As llama.cpp: a last message of the assistant is continued")

    class LengthField(models.TextChoices):
        """What the endpoint calls the most tokens that it may write."""

        MAX_TOKENS = "max_tokens", "max_tokens"
        MAX_COMPLETION_TOKENS = "max_completion_tokens", "max_completion_tokens"

    name = models.CharField(max_length=80)
    base_url = models.CharField(max_length=300)  # up to and without /chat/completions
    model = models.CharField(max_length=200)
    sealed_key = models.TextField(
        blank=True, default=""
    )  # encrypted (keys.py); empty: the endpoint wants none
    continuation = models.CharField(max_length=8, choices=Continuation, default=Continuation.NONE)
    length_field = models.CharField(max_length=24, choices=LengthField, default=LengthField.MAX_TOKENS)
    connect_s = models.PositiveSmallIntegerField(default=5)
    first_token_s = models.PositiveSmallIntegerField(default=60)
    between_tokens_s = models.PositiveSmallIntegerField(default=30)
    total_s = models.PositiveSmallIntegerField(default=300)
    is_shared = models.BooleanField(default=False)  # other admins may use it, and not change it
    is_active = models.BooleanField(default=True)
    removed_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["created_by", "name"], condition=Q(removed_at=None), name="endpoint_name_once"
            ),
            models.CheckConstraint(
                condition=Q(continuation__in=("none", "vllm", "prefill")), name="endpoint_continuation_known"
            ),
            models.CheckConstraint(
                condition=Q(connect_s__gte=1, first_token_s__gte=1, between_tokens_s__gte=1)
                & Q(total_s__gte=F("first_token_s"), total_s__lte=3600),
                name="endpoint_waits_for_a_bounded_time",
            ),
            models.CheckConstraint(
                condition=Q(removed_at=None) | Q(sealed_key="", is_active=False),
                name="endpoint_removed_without_key",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_key(self) -> bool:
        return bool(self.sealed_key)

    @property
    def may_continue(self) -> bool:
        return self.continuation != self.Continuation.NONE
