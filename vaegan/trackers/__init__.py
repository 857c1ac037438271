"""Trackers: services that show runs. Each is one file here that registers a class derived from `Tracker`.

A service's own package is imported only when a run is tracked with it.
"""

from vaegan.registry import Registry, import_siblings

TRACKERS = Registry("tracker")
register_tracker = TRACKERS.register
import_siblings(__name__, __path__)
