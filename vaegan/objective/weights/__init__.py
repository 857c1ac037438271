"""The weights of terms over time; each form that a weight can have is a file here.

Every module here is imported with the package, so that the forms that it registers can be typed.
"""

from vaegan.objective.weights.weight import Factor, Relative, Time, Weight, register_weight
from vaegan.registry import import_siblings

__all__ = ["Factor", "Relative", "Time", "Weight", "register_weight"]
import_siblings(__name__, __path__)
