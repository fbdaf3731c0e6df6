"""Files on their way in: the same upload, mapping, start and cancel as the pages."""

from __future__ import annotations

from typing import Any

from django.http import StreamingHttpResponse
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from annotation import access
from annotation.api import describe, schemas
from annotation.api.base import ApiView, person
from annotation.api.parsers import RawParser, StrictJSONParser
from annotation.errors import Invalid, NotFound
from annotation.items import import_runs, imports
from annotation.items.models import Import
from annotation.items.selectors import import_progress
from annotation.queries import the_one

SHOWN = 100


class Imports(ApiView):
    scopes = {"GET": "manage", "POST": "manage"}
    throttle = "import"
    parser_classes = [RawParser]
    paginated = ("GET",)
    query_parameters = ("file_name",)

    @extend_schema(
        operation_id="imports_list", responses=schemas.page_of("Import", schemas.Import), tags=["items"]
    )
    def get(self, request: Request, slug: str) -> Response:
        """Every file that was uploaded, with how far it is."""
        campaign = access.campaign_for_admin(request.user, slug)
        return self.page(request, Import.objects.filter(campaign=campaign), describe_import)

    @extend_schema(
        operation_id="import_upload",
        parameters=[OpenApiParameter("file_name", str)],
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={201: schemas.Import},
        tags=["items"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """Uploads a file of any format as the body; the answer says what it is, its columns, and the mapping that is
        guessed. Nothing is imported before it is started."""
        campaign = access.campaign_for_admin(request.user, slug)
        job = imports.upload(
            actor=person(request),
            campaign=campaign,
            stream=request._request,
            file_name=request.query_params.get("file_name", ""),
        )
        return Response(_with_columns(job), status=201)


class OneImport(ApiView):
    scopes = {"GET": "manage", "DELETE": "manage"}

    @extend_schema(operation_id="import_read", responses=schemas.Import, tags=["items"])
    def get(self, request: Request, slug: str, import_id: int) -> Response:
        """How far it is, what is wrong with it, what came of it; with its columns while it waits."""
        job = found(request, slug, import_id)
        waits = (
            job.status in (Import.Status.UPLOADED, Import.Status.FAILED) and imports.place_of(job).exists()
        )
        return Response(_with_columns(job) if waits and job.path else describe_import(job))

    @extend_schema(operation_id="import_cancel", responses={204: None}, tags=["items"])
    def delete(self, request: Request, slug: str, import_id: int) -> Response:
        """Stops it: nothing of it will be there."""
        imports.cancel(actor=person(request), job=found(request, slug, import_id))
        return Response(status=204)


class StartImport(ApiView):
    scope = "manage"
    throttle = "import"
    parser_classes = [StrictJSONParser]

    @extend_schema(
        operation_id="import_start",
        request=schemas.StartImport,
        responses={202: schemas.Import},
        tags=["items"],
    )
    def post(self, request: Request, slug: str, import_id: int) -> Response:
        """Asks a worker to import the file: all rows or none. Ask for the import again to follow it."""
        job = found(request, slug, import_id)
        data = self.body(request, "mapping", "update", "options")
        if not isinstance(data.get("update", False), bool):
            raise Invalid(
                _("The request was refused; mend the marked fields."),
                fields={"update": [_("true or false.")]},
            )
        if "options" in data:
            if not isinstance(data["options"], dict) or not all(
                isinstance(v, str) for v in data["options"].values()
            ):
                raise Invalid(_("Unknown option."), fields={"options": [_("Write {…}.")]})
            imports.change_options(job=job, options=data["options"])
        job = imports.start(
            actor=person(request), job=job, mapping=data.get("mapping"), update=data.get("update", False)
        )
        return Response(describe_import(job), status=202)


class ImportErrors(ApiView):
    scope = "manage"

    @extend_schema(operation_id="import_errors", responses={200: OpenApiTypes.BINARY}, tags=["items"])
    def get(self, request: Request, slug: str, import_id: int) -> StreamingHttpResponse:
        """Every error of its rows, a JSON object a line."""
        return StreamingHttpResponse(
            import_runs.errors_of(found(request, slug, import_id)), content_type="application/x-ndjson"
        )


def found(request: Request, slug: str, import_id: int) -> Import:
    campaign = access.campaign_for_admin(request.user, slug)
    job = the_one(Import.objects.filter(pk=import_id, campaign=campaign)) if import_id < 2**63 else None
    if job is None:
        raise NotFound(_("There is no such import."))
    job.campaign = campaign
    return job


def describe_import(job: Import) -> dict[str, Any]:
    return {
        "id": job.pk,
        "status": job.status,
        "file_name": job.file_name,
        "size": job.size,
        "format": job.format,
        "options": job.options,
        "mapping": job.mapping,
        "update": job.update,
        "share": round(import_progress(job).share, 4) if job.is_open else float(job.status == "complete"),
        "rows": job.rows,
        "ignored": job.ignored,
        "errors": job.errors[:SHOWN],
        "errors_total": job.errors_total,
        "code": job.code,
        "message": job.message,
        "result": job.result,
        "created_at": describe.time(job.created_at),
        "ended_at": describe.time(job.ended_at) if job.ended_at else None,
    }


def _with_columns(job: Import) -> dict[str, Any]:
    job.refresh_from_db(fields=["created_at"])
    seen = imports.sample(job)
    return {**describe_import(job), "columns": seen.columns, "unit": seen.unit, "notes": seen.notes}
