"""What statistics of a campaign's answers came to when they were last computed (reports.py)."""

from __future__ import annotations

from django.db import models


class QualityReport(models.Model):
    """One statistic of one campaign. Computed anew it replaces the old one: everything in it follows from the answers."""

    campaign = models.ForeignKey(
        "annotation.Campaign", on_delete=models.CASCADE, related_name="quality_reports"
    )
    statistic = models.CharField(max_length=20)
    data = models.JSONField(null=True)  # as the statistic's module describes it; labelers by their id
    computed_at = models.DateTimeField(null=True)  # when the reading of the answers behind `data` began
    tried_at = models.DateTimeField(
        null=True
    )  # the same of the last try, whether something came of it or not
    seconds = models.FloatField(default=0)  # what it cost
    asked_at = models.DateTimeField(null=True)  # later than tried_at: somebody waits for it
    problem = models.CharField(max_length=500, blank=True)  # why the last try came to nothing

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "statistic"], name="quality_report_once")]

    @property
    def is_awaited(self) -> bool:
        return self.asked_at is not None and (self.tried_at is None or self.asked_at > self.tried_at)
