"""The wires of known vendors, as a vendor speaks them: a request in, the vendor's own answer out.

Written from the vendors' documentation and without the SDK's dialects, so that a mistake there is
not repeated here. A wire is known by the path that was asked for.
"""

from .good import asking_of, failure, good
from .words import Asking, Call, Says, Wanted

__all__ = ["Asking", "Call", "Says", "Wanted", "asking_of", "failure", "good"]
