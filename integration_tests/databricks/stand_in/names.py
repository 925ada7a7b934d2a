"""Names in statements: quoted or not, of one to three parts."""

import re

PART = r"(?:`(?:[^`]|``)*`|\w+)"
# One group: a name with all its parts.
NAME = rf"({PART}(?:\.{PART})*)"


def parts(name):
    """Catalog, schema and table, in lower case; the catalog as it is written, if it is."""
    found = [part.strip("`").replace("``", "`").lower() for part in re.findall(PART, name)]
    return tuple(["", "", *found][-3:])
