"""The servers for trying the image, all on 127.0.0.1: two S3 gateways in front of one folder, one of them with TLS; Spark in
Databricks' place; TLS in front of that; and the certificate authority that signs for both."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEY, SECRET, REGION, BUCKET = "root-of-the-trial", "secret-of-the-trial-1234567890", "eu-west-1", "trial"
WAREHOUSE, TOKEN = "0123456789abcdef", "dapi0123456789abcdef"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port, process, what):
    for _ in range(400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    sys.exit(f"{what} does not answer")


class Authority:
    """A certificate authority, and a certificate for 127.0.0.1 that it has signed."""

    def __init__(self, folder):
        self.file, self.certificate, self.key = folder / "authority.pem", folder / "server.pem", folder / "server.key"
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        authority_key = folder / "authority.key"
        subprocess.run([*new, "-subj", "/CN=authority of the trial", "-keyout", authority_key, "-out", self.file],
                       check=True, capture_output=True)
        subprocess.run([*new, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-addext",
                        "basicConstraints=critical,CA:FALSE", "-CA", self.file, "-CAkey", authority_key,
                        "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)


class Bucket:
    """S3 in front of a folder, on two ports: `plain`, and `encrypted` with TLS."""

    def __init__(self, server, folder, authority):
        self.folder = folder / "buckets" / BUCKET
        self.folder.mkdir(parents=True)
        self.plain, self.encrypted, self.processes = free_port(), free_port(), []
        for port, options in (self.plain, []), (self.encrypted, ["--cert", authority.certificate, "--key", authority.key]):
            command = [server, "--port", f"127.0.0.1:{port}", "--region", REGION, "--quiet", *options]
            process = subprocess.Popen(
                [*command, "posix", self.folder.parent], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET},
            )
            self.processes.append(process)
            listens(port, process, "the S3 server")

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()


class Relay:
    """Accepts TLS on a port of its own and forwards the bytes to another port."""

    def __init__(self, target, authority):
        self.target = target
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(authority.certificate, authority.key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        try:
            client = self.context.wrap_socket(connection, server_side=True)
        except OSError:
            # A client that does not trust the certificate ends the handshake.
            return connection.close()
        server = socket.create_connection(("127.0.0.1", self.target))
        threading.Thread(target=self.pump, args=[server, client], daemon=True).start()
        self.pump(client, server)

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in source, sink:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Databricks:
    """Spark behind the Statement Execution API, on `port`."""

    def __init__(self, installed, folder, bucket):
        self.folder = folder / "spark"
        self.folder.mkdir()
        command = [installed / "bin/python", ROOT / "integration_tests/databricks/stand_in", "--jars", installed / "jars"]
        command += ["--folder", self.folder, "--s3", f"http://127.0.0.1:{bucket.plain}", "--region", REGION]
        self.log = open(folder / "spark.log", "wb")
        self.process = subprocess.Popen(
            [*command, "--key", KEY, "--secret", SECRET, "--quick"], cwd=self.folder, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.log,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(self.folder)},
        )
        line = self.process.stdout.readline()
        if not line.strip():
            sys.exit(f"Spark does not start:\n{(folder / 'spark.log').read_text()[-3000:]}")
        self.port = int(line)
        self.control("PUT", f"computes/{WAREHOUSE}", {"token": TOKEN})

    def control(self, method, path, body):
        address = f"http://127.0.0.1:{self.port}/stand-in/{path}"
        with urllib.request.urlopen(urllib.request.Request(address, json.dumps(body).encode(), method=method)) as answer:
            return json.load(answer)

    def rows(self, schema, table):
        answer = self.control("POST", "sql", {"statement": f"SELECT count(*) FROM `spark_catalog`.`{schema}`.`{table}`"})
        return int(answer["rows"][0][0])

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
