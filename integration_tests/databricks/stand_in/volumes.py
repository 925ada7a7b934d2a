"""Volumes of the workspace: folders of the stand-in's disk, which Spark reads as well.

`/Volumes/<catalog>/<schema>/<volume>/<path>` in statements and in the Files API is `<root>/<catalog>/<schema>/<volume>/<path>`.
"""

import re
import shutil
import threading
import time
import uuid
from pathlib import Path

PATH = re.compile(r"/Volumes/([^/'`\"\s]+)/([^/'`\"\s]+)/([^/'`\"\s]+)")


class Volumes:
    def __init__(self, root):
        self.root, self.lock = Path(root), threading.RLock()
        # (catalog, schema, volume) -> what is known of it.
        self.known = {}

    def create(self, catalog, schema, volume):
        """Makes it; `False` if it is there."""
        name = tuple(part.lower() for part in (catalog, schema, volume))
        with self.lock:
            if name in self.known:
                return False
            self.known[name] = {"volume_id": str(uuid.uuid4()), "created_at": int(time.time() * 1000)}
            self.folder(*name).mkdir(parents=True, exist_ok=True)
            return True

    def drop(self, catalog, schema, volume):
        """Removes it with its files; `False` if it is not there."""
        name = tuple(part.lower() for part in (catalog, schema, volume))
        with self.lock:
            if self.known.pop(name, None) is None:
                return False
            shutil.rmtree(self.folder(*name), ignore_errors=True)
            return True

    def forget(self, schemas):
        """Removes the volumes of `schemas`, in whatever catalog."""
        with self.lock:
            for name in [name for name in self.known if name[1] in schemas]:
                self.drop(*name)

    def of(self, catalog, schema):
        """The names of the volumes in a schema."""
        with self.lock:
            return sorted(name[2] for name in self.known if name[:2] == (catalog.lower(), schema.lower()))

    def has(self, catalog, schema, volume):
        with self.lock:
            return (catalog.lower(), schema.lower(), volume.lower()) in self.known

    def folder(self, catalog, schema, volume):
        return self.root / catalog.lower() / schema.lower() / volume.lower()

    def on_disk(self, path):
        """Where `/Volumes/...` lies; None if there is no such volume. Names of the volume are in any case."""
        found = PATH.match(path)
        if found is None or not self.has(*found.groups()):
            return None
        parts = [part for part in path[found.end():].split("/") if part]
        if any(part in (".", "..") for part in parts):
            return None
        return self.folder(*found.groups()).joinpath(*parts)

    def in_statement(self, statement):
        """`statement` with paths of volumes that are there as paths of the disk."""
        def translated(found):
            return str(self.folder(*found.groups())) if self.has(*found.groups()) else found[0]
        return PATH.sub(translated, statement)
