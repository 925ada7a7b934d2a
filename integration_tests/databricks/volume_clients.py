"""The official `databricks-sdk` drives the stand-in's Files API and volumes: uploads in one request, in parts and piece by piece.

Run as `clients.py`, by `clients.rs`; the stand-in's address is the first argument.
"""

import io
import unittest
import urllib.error
import urllib.request

from clients import Case, control
from databricks.sdk import WorkspaceClient, errors
from databricks.sdk.core import Config
from databricks.sdk.service.catalog import VolumeType

EXPIRED = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
MIB = 1 << 20


class Volumes(Case):
    def setUp(self):
        super().setUp()
        self.schema = f"v{self.id}"
        self.addCleanup(control, "DELETE", f"computes/{self.id}", {"schemas": [self.schema], "root": None})
        control("PUT", f"volumes/main/{self.schema}/stage", {})
        self.root = f"/Volumes/main/{self.schema}/stage"
        self.sdk = self.client()

    def client(self, token=None):
        from clients import ADDRESS
        config = Config(host=ADDRESS, token=token or self.token, auth_type="pat", retry_timeout_seconds=20)
        config.files_ext_multipart_upload_min_stream_size = MIB
        return WorkspaceClient(config=config)

    def upload(self, name, content, **options):
        self.sdk.files.upload(f"{self.root}/{name}", io.BytesIO(content), **options)

    def content(self, name):
        return self.sdk.files.download(f"{self.root}/{name}").contents.read()

    def names(self, folder="", **options):
        return [entry.name for entry in self.sdk.files.list_directory_contents(f"{self.root}/{folder}", **options)]

    def test_a_file_is_written_read_described_and_deleted(self):
        self.upload("a/b c/ü+1.txt", b"content")
        self.assertEqual(self.content("a/b c/ü+1.txt"), b"content")
        told = self.sdk.files.get_metadata(f"{self.root}/a/b c/ü+1.txt")
        self.assertEqual(told.content_length, 7)
        self.assertTrue(told.last_modified.endswith("GMT"))
        self.sdk.files.delete(f"{self.root}/a/b c/ü+1.txt")
        for gone in (self.sdk.files.download, self.sdk.files.delete, self.sdk.files.get_metadata):
            with self.assertRaises(errors.NotFound):
                gone(f"{self.root}/a/b c/ü+1.txt")

    def test_a_file_that_is_there_is_replaced_only_on_request(self):
        self.upload("x", b"first", overwrite=False)
        with self.assertRaises(errors.AlreadyExists):
            self.upload("x", b"second", overwrite=False)
        self.assertEqual(self.content("x"), b"first")
        self.upload("x", b"second", overwrite=True)
        self.upload("x", b"third")
        self.assertEqual(self.content("x"), b"third")

    def test_folders_are_listed_by_pages_and_removed_when_they_are_empty(self):
        for number in range(7):
            self.upload(f"f/{number}", b"x")
        self.sdk.files.create_directory(f"{self.root}/f/sub/deep")
        self.assertEqual(self.names("f", page_size=3), [*"0123456", "sub"])
        (folder,) = [entry for entry in self.sdk.files.list_directory_contents(f"{self.root}/f") if entry.is_directory]
        self.assertEqual(folder.path, f"{self.root}/f/sub")
        with self.assertRaises(errors.BadRequest) as refused:
            self.sdk.files.delete_directory(f"{self.root}/f")
        self.assertEqual(refused.exception.get_error_info()[0].reason, "FILES_API_DIRECTORY_IS_NOT_EMPTY")
        for path in ("sub/deep", "sub"):
            self.sdk.files.delete_directory(f"{self.root}/f/{path}")
        with self.assertRaises(errors.NotFound):
            self.names("f/sub")
        with self.assertRaises(errors.NotFound):
            self.sdk.files.get_directory_metadata(f"{self.root}/f/sub")

    def test_large_files_go_up_in_parts_on_every_cloud(self):
        content = bytes(range(256)) * (5 * MIB // 256) + b"end"
        for cloud in ("aws", "azure", "google"):
            for parallel in (True, False):
                self.set(cloud=cloud)
                self.upload(f"{cloud}.bin", content, part_size=MIB, use_parallel=parallel)
                self.assertEqual(self.content(f"{cloud}.bin"), content)

    def test_urls_that_have_expired_are_asked_for_again(self):
        content = b"x" * (3 * MIB)
        reply = {"status": 403, "body": EXPIRED}
        self.set(rules=[{"action": "reply", "on": "part", "times": 2, "value": reply}])
        self.upload("x.bin", content, part_size=MIB, use_parallel=False)
        self.assertEqual(self.content("x.bin"), content)

    def test_an_url_expires(self):
        self.set(url_seconds=-1)
        token = self.sdk.api_client.do("POST", f"/api/2.0/fs/files{self.root}/x", query={"action": "initiate-upload"})
        token = token["multipart_upload"]["session_token"]
        asked = {"path": f"{self.root}/x", "session_token": token, "start_part_number": 1, "count": 1}
        asked["expire_time"] = "2030-01-01T00:00:00Z"
        urls = self.sdk.api_client.do("POST", "/api/2.0/fs/create-upload-part-urls", body=asked)
        url = urls["upload_part_urls"][0]["url"]
        self.assertIn("Request has expired", self.refused(url))
        self.set(url_seconds=60)
        url = self.sdk.api_client.do("POST", "/api/2.0/fs/create-upload-part-urls", body=asked)["upload_part_urls"][0]["url"]
        self.assertIn("Only one auth mechanism", self.refused(url, Authorization=f"Bearer {self.token}"))
        self.assertIn("SignatureDoesNotMatch", self.refused(url.replace("expires=", "expires=1")))

    def refused(self, url, **headers):
        request = urllib.request.Request(url, b"part", headers, method="PUT")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        return refused.exception.read().decode()

    def test_without_urls_or_behind_a_firewall_a_file_goes_up_in_one_request(self):
        content = b"y" * (3 * MIB)
        for settings in ({"urls": "off"}, {"urls": "on", "cloud": "blocked"}):
            for parallel in (True, False):
                self.set(**settings)
                self.upload("y.bin", content, part_size=MIB, use_parallel=parallel)
                self.assertEqual(self.content("y.bin"), content)

    def test_a_missing_right_or_volume_is_refused(self):
        self.upload("x", b"x")
        self.set(lacks=["WRITE VOLUME"])
        self.assertEqual(self.content("x"), b"x")
        for refused in (lambda: self.upload("y", b""), lambda: self.sdk.files.delete(f"{self.root}/x")):
            with self.assertRaisesRegex(errors.PermissionDenied, f"WRITE VOLUME on Volume 'main.{self.schema}.stage'"):
                refused()
        self.set(lacks=["READ VOLUME"])
        with self.assertRaisesRegex(errors.PermissionDenied, "READ VOLUME"):
            self.names()
        self.set(lacks=[])
        with self.assertRaisesRegex(errors.NotFound, "Volume .* does not exist"):
            self.sdk.files.upload(f"/Volumes/main/{self.schema}/other/x", io.BytesIO(b"x"))
        self.set(files="off")
        with self.assertRaisesRegex(errors.PermissionDenied, "not enabled"):
            self.content("x")

    def test_volumes_are_created_listed_and_deleted(self):
        made = self.sdk.volumes.create("main", self.schema, "other", VolumeType.MANAGED)
        self.assertEqual(made.full_name, f"main.{self.schema}.other")
        self.assertEqual([volume.name for volume in self.sdk.volumes.list("main", self.schema)], ["other", "stage"])
        self.assertEqual(self.sdk.volumes.read(made.full_name).volume_type, VolumeType.MANAGED)
        self.sdk.volumes.delete(made.full_name)
        with self.assertRaises(errors.NotFound):
            self.sdk.volumes.read(made.full_name)
        self.set(lacks=["CREATE VOLUME"])
        with self.assertRaisesRegex(errors.PermissionDenied, "CREATE VOLUME on Schema"):
            self.sdk.volumes.create("main", self.schema, "other", VolumeType.MANAGED)

    def test_storms_and_lost_answers_are_ridden_out(self):
        busy = {"status": 429, "headers": {"retry-after": 1}, "body": "{}"}
        for rule in ({"action": "reply", "on": "file", "value": busy}, {"action": "reply", "on": "part", "value": {"status": 503}}):
            self.set(rules=[rule | {"times": 2}])
            self.upload("z.bin", b"z" * (2 * MIB), part_size=MIB)
            self.assertEqual(self.content("z.bin"), b"z" * (2 * MIB))


if __name__ == "__main__":
    unittest.main(verbosity=2)
