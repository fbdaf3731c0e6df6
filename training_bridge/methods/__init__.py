"""What a run can be: one module of this package for each method, found by listing.

Adding a method is adding a module that declares `method = Method(...)`, and the program that it names.
"""

from training_bridge.methods.attributes import Attributes
from training_bridge.methods.base import INPUTS, STANDS_IN, Inputs, Method, Preset, attributes_of
from training_bridge.methods.registry import all_methods, get

__all__ = [
    "INPUTS",
    "STANDS_IN",
    "Attributes",
    "Inputs",
    "Method",
    "Preset",
    "all_methods",
    "attributes_of",
    "get",
]
