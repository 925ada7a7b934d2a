"""PyAirbyte for the tests: writes what the source beside this file sends through a destination, as often as it is told to.

    client.py <the program> <its configuration> <folder for caches and logs>

Each line on standard input is one request, each line on standard output the answer to it, both JSON.
"""

import json
import os
import pathlib
import sys

# PyAirbyte writes to standard output itself; the answers have it for their own.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

program, config, folder = (pathlib.Path(argument) for argument in sys.argv[1:])
os.environ["AIRBYTE_LOGGING_ROOT"] = str(folder / "logs")

import airbyte as ab  # noqa: E402 (it reads the environment)
from airbyte.caches import DuckDBCache  # noqa: E402
from airbyte.exceptions import PyAirbyteError  # noqa: E402

SOURCE = pathlib.Path(__file__).parent / "source.py"


def source(settings):
    found = ab.get_source("source-shop", local_executable=SOURCE, config={"orders": 5, "notes": 3, **settings})
    found.select_all_streams()
    return found


def cache(name):
    return DuckDBCache(db_path=folder / f"{name}.duckdb") if name else False


def write(destination, request):
    data = source(request["source"])
    if request.get("read_first"):
        data = data.read(cache=cache(request["read_first"]), force_full_refresh=True)
        kept = None
    else:
        kept = cache(request.get("cache") or request.get("default"))
    # Without one it is PyAirbyte's default.
    strategy = {"write_strategy": ab.strategies.WriteStrategy[request["strategy"]]} if "strategy" in request else {}
    if "default" in request:
        written = destination.write(data, cache=kept)
        return {"records": written.processed_records}
    written = destination.write(
        data,
        cache=kept,
        state_cache=cache(request.get("state_cache")),
        force_full_refresh=request.get("force_full_refresh", False),
        **strategy,
    )
    return {"records": written.processed_records}


def main():
    settings = json.loads(config.read_text(encoding="utf-8"))
    destination = ab.get_destination("destination-databricks", local_executable=program, config=settings)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {} if request.get("check") and not destination.check() else write(destination, request)
        except PyAirbyteError as error:
            # What the destination logged is not a part of every text.
            answer = {"error": type(error).__name__, "text": f"{error} {getattr(error, 'log_text', '')}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
