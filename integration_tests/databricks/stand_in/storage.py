"""What Spark is told of the store that has its tables: the S3 server, or the Azure Blob Storage server."""

from dataclasses import dataclass


@dataclass
class Store:
    """Settings of Spark, options of the JVM, settings of Hadoop that must not be there, and what the addresses begin with for which
    the workspace has external locations (an expression; empty: it has one for any address)."""

    settings: dict[str, str]
    java: str = ""
    unset: tuple[str, ...] = ()
    external: str = ""


def s3(endpoint, region, key, secret):
    return Store({
        "spark.delta.logStore.s3.impl": "io.delta.storage.S3SingleDriverLogStore",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.endpoint": endpoint,
        "spark.hadoop.fs.s3a.endpoint.region": region,
        "spark.hadoop.fs.s3a.access.key": key,
        "spark.hadoop.fs.s3a.secret.key": secret,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        "spark.hadoop.fs.s3a.attempts.maximum": "3",
        "spark.hadoop.fs.s3a.retry.limit": "3",
        "spark.hadoop.fs.s3a.threads.max": "8",
        "spark.hadoop.fs.s3a.fast.upload.buffer": "array",
    })


def azure(port, account, key):
    """Tables have the addresses that they have in Databricks, `abfss://container@account.dfs.core.windows.net/...`.

    The server has no interface for hierarchical namespaces, so Hadoop's older client, which uses that for blobs, serves these
    addresses too. It sends HTTP requests to the account's host, for which the server is the JVM's proxy: it reads the account from the
    host's name.
    """
    host = f"{account}.dfs.core.windows.net"
    settings = {
        "spark.delta.logStore.abfss.impl": "io.delta.storage.AzureLogStore",
        "spark.hadoop.fs.abfss.impl": "org.apache.hadoop.fs.azure.NativeAzureFileSystem",
        f"spark.hadoop.fs.azure.account.key.{host}": key,
        "spark.hadoop.fs.azure.io.retry.max.retries": "3",
        "spark.hadoop.fs.azure.skip.metrics": "true",
    }
    # Hadoop's second interface to file systems has no class for this; without one, Spark and Delta use the first.
    unset = ("fs.AbstractFileSystem.abfss.impl",)
    return Store(settings, f"-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort={port}", unset, rf"abfss://[^@/]+@{host}/")
