"""Every method there is: the modules of this package that declare one, and those named by WHETSTONE_RUN_METHODS.

>>> get("dpo").makes
'policy'
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from django.conf import settings
from django.utils.translation import gettext as _

from annotation.errors import Invalid
from training_bridge.methods.base import Method


def declared_in(place: str) -> list[Method]:
    """The methods of a module that holds a list METHODS, or of a package whose modules each declare a `method`."""
    module = import_module(place)
    if not hasattr(module, "__path__"):
        return list(module.METHODS)
    modules = (import_module(f"{place}.{found.name}") for found in pkgutil.iter_modules(module.__path__))
    return [m.method for m in modules if isinstance(getattr(m, "method", None), Method)]


@cache
def all_methods() -> dict[str, Method]:
    """Every method by its name, in the order in which a researcher would meet them. Raises ValueError when two have the
    same name."""
    found: dict[str, Method] = {}
    for place in settings.RUN_METHODS:
        for method in sorted(declared_in(place), key=lambda m: (m.order, m.name)):
            if method.name in found:
                raise ValueError(f"two methods are called {method.name!r}; the second is in {place}")
            found[method.name] = method
    return found


def get(name: str) -> Method:
    """The method of this name. Raises Invalid, which lists the names there are."""
    try:
        return all_methods()[name]
    except KeyError:
        names = ", ".join(all_methods())
        raise Invalid(
            _("There is no such method."),
            fields={"method": [_("Choose one of: %(names)s.") % {"names": names}]},
        ) from None
