"""An endpoint that answers in a run: whether it can be asked, what the program is told of it, and its key, told apart.

fault(endpoint)          why not, in a sentence; empty when it can
place(endpoint)          for config.json: where it is, what to ask for, what the operator allows the host to be
environment(endpoint)    the key alone, for the program's environment; it is written to no file
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from annotation.endpoints.addresses import check
from annotation.endpoints.failures import EndpointFailed
from annotation.endpoints.keys import unseal
from annotation.endpoints.models import Endpoint
from annotation.errors import Invalid
from training_bridge.programs import ENDPOINT_KEY


def fault(endpoint: Endpoint, model: str = "") -> str:
    """Args: model: what the run was started to ask for; another one would not be what its page says."""
    if endpoint.removed_at is not None:
        return _("The endpoint %(name)s was removed.") % {"name": endpoint.name}
    if not endpoint.is_active:
        return EndpointFailed("inactive").message
    if model and model != endpoint.model:
        return _("The endpoint %(name)s asks for %(now)s now; the run was started with %(then)s.") % {
            "name": endpoint.name,
            "now": endpoint.model,
            "then": model,
        }
    try:
        check(endpoint.base_url)
        unseal(endpoint.sealed_key)
    except Invalid:
        return EndpointFailed("address_refused").message
    except EndpointFailed as failed:
        return failed.message
    return ""


def place(endpoint: Endpoint) -> dict[str, Any]:
    """Raises Invalid when the operator does not allow the address."""
    host = check(endpoint.base_url).host
    return {
        "id": endpoint.pk,
        "name": endpoint.name,
        "base_url": endpoint.base_url,
        "model": endpoint.model,
        "length_field": endpoint.length_field,
        "connect_s": endpoint.connect_s,
        "total_s": endpoint.total_s,
        "allowed": {
            "scheme": host.scheme,
            "host": host.host,
            "port": host.port,
            "networks": [str(network) for network in host.networks],
        },
        "ca_file": str(settings.ENDPOINT_CA_FILE) if settings.ENDPOINT_CA_FILE else None,
    }


def environment(endpoint: Endpoint | None) -> dict[str, str]:
    """Raises EndpointFailed `key_lost`."""
    key = unseal(endpoint.sealed_key) if endpoint is not None else ""
    return {ENDPOINT_KEY: key} if key else {}


def told(endpoint: Endpoint | None, model: str) -> dict[str, Any] | None:
    """As pages and the API name it: no address, no key."""
    return {"id": endpoint.pk, "name": endpoint.name, "model": model} if endpoint is not None else None
