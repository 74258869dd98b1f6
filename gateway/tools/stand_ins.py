"""What a faulty table may be read as, so that whatever else is wrong with it can be told as well. PURE.

What comes of it is never run: the file is refused for the faults that the stand-ins are for.
"""

from collections.abc import Mapping
from copy import deepcopy
from functools import reduce
from operator import getitem
from typing import Any, Final, TypeVar, cast

from pydantic import ValidationError

from gateway.tools.spec import Table
from gateway.tools.table_faults import Place, place_of

_T = TypeVar("_T", bound=Table)

# Text first: a value that is there, if only as text, counts as given. None leaves the key out.
_STAND_INS: Final = ("stand-in", "+15005550006", None, "end_call")


def standing_in(kind: type[_T], table: Mapping[str, Any]) -> _T | None:
    """Return a table with something that will do in each faulty place; None when nothing will."""
    tried: dict[Place, int] = {}
    # All elements of a list take the same stand-ins, so that they are left out together: places stay right.
    for _ in range(len(_STAND_INS) + 1):
        mended = _mended(table, {place: _STAND_INS[number] for place, number in tried.items()})
        try:
            return kind.model_validate(mended)
        except ValidationError as error:
            for place in {place_of(mended, detail["loc"]) for detail in error.errors()}:
                tried[place] = min(tried.get(place, -1) + 1, len(_STAND_INS) - 1)
    return None


def _mended(table: Mapping[str, Any], stand_ins: Mapping[Place, str | None]) -> dict[str, Any]:
    mended = deepcopy(dict(table))
    # From the end, so that leaving an element of a list out does not move those before it.
    for place in sorted(stand_ins, reverse=True):
        *above, last = place
        holder = reduce(getitem, above, cast(Any, mended))
        if stand_ins[place] is not None:
            holder[last] = stand_ins[place]
        elif isinstance(holder, dict):
            holder.pop(last, None)
        else:
            del holder[last]
    return mended
