"""Of a structured report, codes, numbers, coordinates and references stay; names and free text do not.

Kinds of content items are those of PS3.3, C.17.3. Items that point at others by their place in the tree go as well: the
tree is another one when some are gone.
"""

from tre.data.deid.dicom.parse import Dataset, value_of

VALUE_TYPE, PLACE = 0x0040A040, 0x0040DB73
STAY = frozenset(
    b"CODE COMPOSITE CONTAINER DATE DATETIME IMAGE NUM SCOORD SCOORD3D TABLE TCOORD TIME UIDREF WAVEFORM".split()
)
"""PNAME and TEXT are missing; whatever is new is missing too."""


def kept(items: list[Dataset]) -> list[Dataset]:
    """Return the content items that may stay; those below them meet the same rule."""
    return [item for item in items if value_of(item, VALUE_TYPE) in STAY and not any(one.tag == PLACE for one in item)]
