"""Loss terms as tensor maths: summed over pixels or latents, averaged over the batch.

Every module here is imported with the package, so that its terms and losses are registered.
"""

from vaegan.registry import import_siblings

import_siblings(__name__, __path__)
