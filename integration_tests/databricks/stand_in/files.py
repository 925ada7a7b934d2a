"""The Files API and the volumes of Unity Catalog's REST API, for files in `volumes.py`.

Answers are as Databricks' own clients expect them (databricks-sdk-py, `mixins/files.py`; databricks/cli, `libs/filer/files_client.go`):
404 and 400 with an ErrorInfo, 409 for a file that is there, folders that are removed only when they are empty. A `PUT` of a file makes
the folders above it. What the user of a token lacks (`lacks`) is refused, in the words of a missing privilege.
"""

import base64
import email.utils
import hashlib
import json
import re
import uuid
from pathlib import Path
from urllib.parse import parse_qs, unquote

from cloud import Cloud, Session, place
from statements import Refusal

FILES, FOLDERS = "/api/2.0/fs/files", "/api/2.0/fs/directories"
URLS = ("/api/2.0/fs/create-upload-part-urls", "/api/2.0/fs/create-resumable-upload-url", "/api/2.0/fs/create-abort-upload-url")
CATALOG = "/api/2.1/unity-catalog/volumes"
# Requests a second of one token.
MOST = 100
LARGEST = 5 << 30


class Detailed(Refusal):
    """A refusal with the reason in an ErrorInfo."""

    def __init__(self, status, error_code, message, reason):
        super().__init__(status, error_code, message)
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "filesystem.databricks.com"}
        self.body["details"] = [info]


def is_for_files(path):
    return path.startswith(("/api/2.0/fs/", CATALOG))


class Files:
    def __init__(self, volumes, folder):
        self.volumes, self.folder, self.cloud = volumes, Path(folder) / "uploads", Cloud()
        self.folder.mkdir(parents=True, exist_ok=True)

    def answer(self, compute, method, path, query, body, headers):
        """Status, headers and body of what is said to a request of the user of `compute`."""
        query = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        if compute.files == "off":
            raise Detailed(403, "PERMISSION_DENIED", "The Files API is not enabled for this workspace.", "FILES_API_API_IS_NOT_ENABLED")
        if path.startswith(CATALOG):
            return 200, {}, self.catalog(compute, method, unquote(path.removeprefix(CATALOG)).strip("/"), query, body)
        if path in URLS:
            return 200, {}, self.urls(compute, path, json.loads(body))
        if path.startswith(FILES + "/"):
            return self.file(compute, method, unquote(path.removeprefix(FILES)), query, body)
        if path.startswith(FOLDERS + "/"):
            return self.directory(compute, method, unquote(path.removeprefix(FOLDERS)), query)
        raise Refusal(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {path}'")

    def on_disk(self, compute, path, writes):
        """Where the file or folder lies. Raises where the volume is not there, or not the user's."""
        parts = path.strip("/").split("/")
        if parts[0] != "Volumes" or len(parts) < 4 or "" in parts:
            raise Detailed(400, "INVALID_PARAMETER_VALUE", f"Invalid path: {path}", "FILES_API_INVALID_PATH")
        name = ".".join(parts[1:4])
        if not self.volumes.has(*parts[1:4]):
            raise Detailed(404, "NOT_FOUND", f"Volume '{name}' does not exist.", "FILES_API_VOLUME_NOT_FOUND")
        for right in ["USE CATALOG", "USE SCHEMA", "WRITE VOLUME" if writes else "READ VOLUME"]:
            if right in compute.lacks:
                on = {"USE CATALOG": f"Catalog '{parts[1]}'", "USE SCHEMA": f"Schema '{parts[1]}.{parts[2]}'"}.get(right, f"Volume '{name}'")
                raise Refusal(403, "PERMISSION_DENIED", f"User does not have {right} on {on}.")
        found = self.volumes.on_disk(path)
        if found is None:
            raise Detailed(400, "INVALID_PARAMETER_VALUE", f"Invalid path: {path}", "FILES_API_INVALID_PATH")
        return found

    def file(self, compute, method, path, query, body):
        found = self.on_disk(compute, path, method not in ("GET", "HEAD"))
        missing = Detailed(404, "NOT_FOUND", "The file being accessed is not found.", "FILES_API_FILE_NOT_FOUND")
        if method == "POST":
            return 200, {}, self.upload(compute, path, found, query, body)
        if method == "PUT":
            if len(body) > LARGEST:
                raise Detailed(413, "INVALID_PARAMETER_VALUE", "The file is larger than 5 GiB.", "FILES_API_FILE_SIZE_EXCEEDED")
            if found.is_dir():
                raise Detailed(409, "ALREADY_EXISTS", "A directory has this name.", "FILES_API_PATH_IS_A_DIRECTORY")
            written = self.folder / uuid.uuid4().hex
            written.write_bytes(body)
            self.placed(place(written, found, query.get("overwrite", "true") == "true"))
            return 204, {}, b""
        if not found.is_file():
            raise missing
        try:
            if method == "DELETE":
                found.unlink()
                return 204, {}, b""
            content, stat = (found.read_bytes() if method == "GET" else b""), found.stat()
        except FileNotFoundError:
            raise missing from None
        told = {"content-type": "application/octet-stream", "last-modified": email.utils.formatdate(stat.st_mtime, usegmt=True)}
        return 200, told | ({"content-length": stat.st_size} if method == "HEAD" else {}), content

    def placed(self, placed):
        if not placed:
            raise Detailed(409, "ALREADY_EXISTS", "The file being created already exists.", "FILES_API_FILE_ALREADY_EXISTS")

    def directory(self, compute, method, path, query):
        found = self.on_disk(compute, path.rstrip("/"), method in ("PUT", "DELETE"))
        if method == "PUT":
            try:
                found.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise Detailed(409, "ALREADY_EXISTS", "A file has this name.", "FILES_API_FILE_ALREADY_EXISTS") from None
            return 204, {}, b""
        if not found.is_dir():
            raise Detailed(404, "NOT_FOUND", "The directory being accessed is not found.", "FILES_API_DIRECTORY_NOT_FOUND")
        if method == "DELETE":
            try:
                found.rmdir()
            except OSError:
                raise Detailed(400, "BAD_REQUEST", "The directory is not empty.", "FILES_API_DIRECTORY_IS_NOT_EMPTY") from None
            return 204, {}, b""
        if method == "HEAD":
            return 200, {}, b""
        return 200, {}, self.page(path.rstrip("/"), found, query)

    def page(self, path, found, query):
        most = min(int(query.get("page_size") or 1000), 1000)
        after = base64.b64decode(query["page_token"]).decode() if query.get("page_token") else ""
        names = sorted(entry.name for entry in found.iterdir() if entry.name > after)
        contents = []
        for name in names[:most]:
            entry = {"path": f"{path}/{name}", "name": name, "is_directory": (found / name).is_dir()}
            try:
                stat = (found / name).stat()
            except FileNotFoundError:
                continue
            if not entry["is_directory"]:
                entry |= {"file_size": stat.st_size, "last_modified": int(stat.st_mtime * 1000)}
            contents.append(entry)
        more = {"next_page_token": base64.b64encode(names[most - 1].encode()).decode()} if len(names) > most else {}
        return {"contents": contents} | more

    def upload(self, compute, path, found, query, body):
        match query.get("action"):
            case "initiate-upload":
                overwrite = query.get("overwrite", "true") == "true"
                if found.exists() and not overwrite:
                    self.placed(False)
                session = Session(compute, path, found, overwrite, self.folder)
                self.cloud.sessions[session.token] = session
                return {"resumable_upload" if session.google else "multipart_upload": {"session_token": session.token}}
            case "complete-upload":
                session = self.session(query.get("session_token"), path)
                parts = json.loads(body)["parts"]
                numbers = [part["part_number"] for part in parts]
                if not numbers or numbers != sorted(set(numbers)):
                    raise Refusal(400, "INVALID_PARAMETER_VALUE", "The parts are not in their order.")
                for part in parts:
                    self.check(session, part)
                placed = session.join(numbers)
                session.clear()
                self.placed(placed)
                return {}
        raise Refusal(400, "INVALID_PARAMETER_VALUE", "There is no such action.")

    def check(self, session, part):
        """As a storage does: a part that is not there, or has another tag, is no part of the file."""
        file = session.part(part["part_number"])
        if not file.exists() or part["etag"] != f'"{hashlib.md5(file.read_bytes()).hexdigest()}"':
            message = "One or more of the specified parts could not be found, or their tags did not match."
            raise Refusal(400, "INVALID_PARAMETER_VALUE", message)

    def session(self, token, path):
        session = self.cloud.sessions.get(token)
        if session is None or session.ended or session.path != path:
            raise Detailed(404, "NOT_FOUND", "The upload session is not found.", "FILES_API_UPLOAD_SESSION_NOT_FOUND")
        return session

    def urls(self, compute, path, asked):
        if compute.urls == "off":
            message = "Presigned URLs API is not enabled."
            raise Detailed(403, "PERMISSION_DENIED", message, "FILES_API_API_IS_NOT_ENABLED")
        self.on_disk(compute, asked["path"], True)
        session = self.session(asked["session_token"], asked["path"])
        if path.endswith("part-urls"):
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", asked.get("expire_time", "")):
                raise Refusal(400, "INVALID_PARAMETER_VALUE", "expire_time is no time.")
            first = asked["start_part_number"]
            numbers = range(first, first + asked["count"])
            return {"upload_part_urls": [{"part_number": number} | self.cloud.url(session, number) for number in numbers]}
        name = "resumable_upload_url" if "resumable" in path else "abort_upload_url"
        return {name: self.cloud.url(session, "all")}

    def catalog(self, compute, method, name, query, body):
        """Unity Catalog's volumes: create, list, read, delete."""
        def told(catalog, schema, volume):
            known = self.volumes.known[catalog.lower(), schema.lower(), volume.lower()]
            return known | {
                "catalog_name": catalog, "schema_name": schema, "name": volume, "full_name": f"{catalog}.{schema}.{volume}",
                "volume_type": "MANAGED", "storage_location": self.volumes.folder(catalog, schema, volume).as_uri(),
            }
        if method == "POST":
            asked = json.loads(body)
            names = asked["catalog_name"], asked["schema_name"], asked["name"]
            if "CREATE VOLUME" in compute.lacks:
                raise Refusal(403, "PERMISSION_DENIED", f"User does not have CREATE VOLUME on Schema '{names[0]}.{names[1]}'.")
            if not self.volumes.create(*names):
                raise Refusal(400, "VOLUME_ALREADY_EXISTS", f"Volume '{'.'.join(names)}' already exists")
            return told(*names)
        if not name:
            names = self.volumes.of(query["catalog_name"], query["schema_name"])
            return {"volumes": [told(query["catalog_name"], query["schema_name"], volume) for volume in names]}
        names = name.split(".")
        if len(names) != 3 or not self.volumes.has(*names):
            raise Refusal(404, "VOLUME_DOES_NOT_EXIST", f"Volume '{name}' does not exist.")
        if method == "DELETE":
            self.volumes.drop(*names)
            return {}
        return told(*names)

