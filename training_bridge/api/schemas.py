"""What the API says a snapshot, a run, a model and a round look like."""

from __future__ import annotations

from rest_framework import serializers as s

from training_bridge.models import Checkpoint, Push, Run, Snapshot


class SnapshotSchema(s.Serializer):
    id = s.UUIDField()
    campaign = s.CharField()
    status = s.ChoiceField(Snapshot.Status.choices)
    sha256 = s.CharField(help_text="The SHA-256 of manifest.json: the name to cite.")
    filters = s.JSONField()
    counts = s.JSONField(allow_null=True)
    views = s.JSONField(allow_null=True)
    progress = s.JSONField(allow_null=True)
    error = s.CharField()
    advice = s.CharField()
    erased_at = s.DateTimeField(
        allow_null=True, help_text="When a person who was in it was erased, and its files with them."
    )
    successor = s.UUIDField(allow_null=True, help_text="The snapshot without that person.")
    supersedes = s.CharField(allow_null=True, help_text="The SHA-256 of the one that it takes the place of.")
    created_at = s.DateTimeField()
    completed_at = s.DateTimeField(allow_null=True)
    mirrored_at = s.DateTimeField(
        allow_null=True,
        help_text="Since when a whole copy is in the storage of copies, if this site has one.",
    )
    unmirrored_at = s.DateTimeField(
        allow_null=True, help_text="When the files of that copy were removed, after an erasure."
    )
    mirror_error = s.CharField(help_text="Why the last try to copy it, or to remove its copy, failed.")


class PushSchema(s.Serializer):
    id = s.UUIDField()
    repository = s.CharField()
    hub = s.CharField()
    private = s.BooleanField()
    status = s.ChoiceField(Push.Status.choices)
    progress = s.JSONField(allow_null=True)
    url = s.CharField()
    commit = s.CharField()
    error = s.CharField()
    advice = s.CharField()
    created_at = s.DateTimeField()
    finished_at = s.DateTimeField(allow_null=True)


class NewPushSchema(s.Serializer):
    repository = s.CharField(help_text="owner/name")
    token = s.CharField(
        write_only=True,
        help_text="Of the hub, with the right to write there; kept encrypted until it is over.",
    )
    private = s.BooleanField(required=False, default=True, help_text="False wants a licence of the data.")


class NewSnapshotSchema(s.Serializer):
    filters = s.JSONField(
        required=False,
        help_text="rounds, questions, types, labelers, labelers_excluded, labeler_kinds, submitted_from, submitted_until, "
        "agreement_at_least (0 to 1), include_late, settled (on settled items, the reviewer's answers instead of the "
        "labelers'), test_percent",
    )


class RunSchema(s.Serializer):
    id = s.UUIDField()
    campaign = s.CharField()
    method = s.CharField()
    status = s.ChoiceField(Run.Status.choices)
    priority = s.ChoiceField(Run.Priority.choices)
    config = s.JSONField()
    seed = s.IntegerField()
    code_revision = s.CharField()
    snapshot = s.CharField(allow_null=True, help_text="SHA-256 of the snapshot, or its id while it is built.")
    parent = s.IntegerField(allow_null=True)  # type: ignore[assignment]
    baseline = s.IntegerField(allow_null=True)
    reward_model = s.IntegerField(allow_null=True)
    compared_with = s.IntegerField(allow_null=True)
    endpoint = s.JSONField(
        allow_null=True, help_text="The endpoint that answers in the place of the parent: id, name, model."
    )
    attempt = s.IntegerField()
    progress = s.JSONField(allow_null=True)
    metrics = s.JSONField(allow_null=True)
    error = s.CharField()
    advice = s.CharField()
    snapshot_erased_at = s.DateTimeField(
        allow_null=True, help_text="Set when it was trained on answers of a person who was erased since."
    )
    checkpoints = s.ListField(child=s.IntegerField())
    created_at = s.DateTimeField()
    started_at = s.DateTimeField(allow_null=True)
    finished_at = s.DateTimeField(allow_null=True)


class NewRunSchema(s.Serializer):
    method = s.CharField()
    config = s.JSONField(required=False)
    seed = s.IntegerField(required=False, default=0)
    priority = s.ChoiceField(Run.Priority.choices, required=False, default=0)
    snapshot = s.UUIDField(required=False)
    parent = s.IntegerField(required=False)  # type: ignore[assignment]
    baseline = s.IntegerField(required=False)
    reward_model = s.IntegerField(required=False)
    compared_with = s.IntegerField(required=False)
    prompts_from = s.IntegerField(required=False, help_text="Number of a round.")
    endpoint = s.IntegerField(
        required=False,
        help_text="Answers in the place of a parent, where the method lets one: an id of /api/campaigns/<slug>/endpoints/.",
    )


class RunEndpointSchema(s.Serializer):
    id = s.IntegerField()
    name = s.CharField()
    model = s.CharField()


class RunDetailSchema(RunSchema):
    attributes = s.JSONField(help_text="What kind of learning it is: the survey's table 2.")
    curve = s.JSONField(help_text="Numbers by step, thinned: step, stage, loss, …")
    samples = s.JSONField(help_text="Answers that the policy gave on the way: step, prompt, text, reward.")
    log_tail = s.CharField()


class PrioritySchema(s.Serializer):
    priority = s.ChoiceField(Run.Priority.choices)


class MethodSchema(s.Serializer):
    name = s.CharField()
    label = s.CharField()  # type: ignore[assignment]
    purpose = s.CharField()
    needs = s.ListField(child=s.CharField())
    may_take = s.ListField(child=s.CharField())
    makes = s.CharField()
    attributes = s.JSONField()
    presets = s.ListField(
        child=s.JSONField(),
        help_text="name, label, purpose, and the values of settings that differ from the defaults.",
    )
    config = s.JSONField(help_text="JSON schema of the settings.")


class CheckpointSchema(s.Serializer):
    id = s.IntegerField()
    kind = s.ChoiceField(Checkpoint.Kind.choices)
    name = s.CharField()
    sha256 = s.CharField()
    run = s.UUIDField(allow_null=True)
    parent = s.IntegerField(allow_null=True)  # type: ignore[assignment]
    lineage = s.JSONField()
    created_at = s.DateTimeField()
    mirrored_at = s.DateTimeField(
        allow_null=True,
        help_text="Since when a whole copy is in the storage of copies, if this site has one.",
    )
    mirror_error = s.CharField(help_text="Why the last try to copy it, or to remove its copy, failed.")


class RoundSchema(s.Serializer):
    campaign = s.CharField()
    number = s.IntegerField()
    policy = s.IntegerField(allow_null=True)
    snapshot = s.UUIDField(allow_null=True)
    reward_run = s.UUIDField(allow_null=True)
    refresh_run = s.UUIDField(allow_null=True)
    sample_run = s.UUIDField(allow_null=True)
    baseline_run = s.UUIDField(allow_null=True)
    evaluate_run = s.UUIDField(allow_null=True)
    evidence = s.JSONField(allow_null=True)
    created_at = s.DateTimeField()


class RefreshSchema(s.Serializer):
    method = s.CharField(required=False, default="dpo")
    config = s.JSONField(required=False)
