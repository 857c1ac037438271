"""The plug-ins that a run is made with, of all that its process has imported."""

from vaegan import plugins
from vaegan.config.build import config_terms
from vaegan.config.schema import Config
from vaegan.objective.weights.weight import FORMS
from vaegan.plugins import Plugin


def plugins_of(config: Config) -> list[Plugin]:
    """The plug-ins that bring a part of a resolved config, or of which that cannot be told.

    It cannot be told of a plug-in that registers nothing, or brings a form of a weight.
    """
    values = config.to_dict().values()
    words = [word for value in values for word in (value if isinstance(value, list) else [value])]
    used = {word.partition(":")[0] for word in words if isinstance(word, str)}
    used |= {term.key for term in config_terms(config)} | set(FORMS.names())
    return [each for each in plugins.loaded() if not (brought := plugins.brought(each)) or brought & used]
