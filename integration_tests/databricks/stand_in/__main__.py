"""Stands in for Databricks: the Statement Execution API and a cluster's Thrift in front of one Spark with Delta Lake.

  python integration_tests/databricks/stand_in --jars JARS --folder FOLDER --s3 ENDPOINT --region REGION --key KEY --secret SECRET
  python integration_tests/databricks/stand_in --jars JARS --folder FOLDER --azure PORT --account NAME --key KEY
  python integration_tests/databricks/stand_in --jars JARS --folder FOLDER

Without a store there are managed tables alone.

Prints the port it listens on (on 127.0.0.1) once Spark is up, and ends when its standard input does.
"""

import argparse
import logging
import os
import sys
import threading
import time

os.environ["TZ"] = "UTC"
time.tzset()

from compute import Workspace
from engine import Engine
from files import Files
from storage import Store, azure, s3
from http_server import Server
from statements import StatementApi
from thrift_server import Thrift
from volumes import Volumes

# As the path of a Databricks cluster.
THRIFT_PATH = "sql/protocolv1/o/0/0101-000000-abc"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jars", required=True)
    parser.add_argument("--folder", required=True, help="for Spark's own files")
    stores = parser.add_mutually_exclusive_group()
    stores.add_argument("--s3", help="the address of the S3 server")
    stores.add_argument("--azure", help="the port of the Azure Blob Storage server")
    parser.add_argument("--key", help="of the store")
    parser.add_argument("--region", help="of the S3 server")
    parser.add_argument("--secret", help="that belongs to the S3 server's key")
    parser.add_argument("--account", help="the storage account")
    parser.add_argument("--memory", default="4g")
    parser.add_argument("--quick", action="store_true", help="for many small statements rather than for large ones")
    options = parser.parse_args()
    # PySpark logs every statement that fails, with all the frames of the JVM.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    if options.s3:
        store = s3(options.s3, options.region, options.key, options.secret)
    elif options.azure:
        store = azure(options.azure, options.account, options.key)
    else:
        store = Store({})
    os.environ["SPARK_LOCAL_DIRS"] = f"{options.folder}/local"
    volumes = Volumes(f"{options.folder}/volumes")
    engine = Engine(options.jars, options.folder, store, THRIFT_PATH, options.memory, options.quick, volumes)
    workspace = Workspace()
    thrift = Thrift(engine, workspace, THRIFT_PATH)
    server = Server(engine, workspace, StatementApi(engine, workspace), thrift, Files(volumes, options.folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    # The JVM ends with its standard input, which is ours.
    os._exit(0)


main()
