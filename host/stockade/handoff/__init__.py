"""History that one vendor made, made fit for another: pure, deterministic, its input untouched.

What ``hand_over`` does, in this order:

1. calls and results are paired (``pairs``): results stand right behind their calls, orphans and
   repeated ones are dropped, missing ones supplied, broken calls dropped, names trimmed;
2. ids get the shape that the target takes (``ids``), calls and results together;
3. reasoning stays within its family and is tagged text, or nothing, elsewhere (``thinking``);
4. images, and sounds that only one vendor can find again, become a note (``media``).

Doing it twice gives what doing it once gave. Who made a history is seen by the marks in it
(``makers``); which vendors are one family, and what each takes, is the table in ``vendors``. A
third-party plugin is a family of its own under its name: reasoning that it marks with
``Thinking.provider`` of that name comes back to it.

A turn that failed has ``{"stockade": {"finish_reason": "error"}}`` (or ``aborted``, ``cancelled``)
in its ``Message.provider_options``: no results are supplied for its calls.
"""

from .history import hand_over, makers
from .ids import ID_FORMS, IdForm, with_ids
from .options import Options
from .pairs import with_pairs
from .thinking import with_thinking
from .vendors import Vendor, family_of, vendor_of

__all__ = [
    "ID_FORMS",
    "IdForm",
    "Options",
    "Vendor",
    "family_of",
    "hand_over",
    "makers",
    "vendor_of",
    "with_ids",
    "with_pairs",
    "with_thinking",
]
