"""Loss terms as tensor maths: summed over pixels or latents, averaged over the batch.

Every module here is imported with the package, so that what it registers can be asked for by name.
"""

from vaegan.registry import import_siblings

import_siblings(__name__, __path__)
