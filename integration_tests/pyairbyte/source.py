#!/usr/bin/env python3
"""A source for the tests with PyAirbyte: two small streams, no network, nothing but Python's own library.

`orders` can be asked for incrementally and has a primary key, `notes` has neither. The configuration says how many
records each has ("orders", "notes"), whether statuses are told ("statuses"), and after how many records of a stream
the source dies ("dies_after", with "dies_in"). With "named" there is a stream of that name instead: `orders` whose key
and cursor are the property that "key" names, and whose `run` is written `Run`.
"""

import json
import sys

STREAMS = {
    "orders": {
        "json_schema": {"type": "object", "properties": {"id": {"type": "integer"}, "run": {"type": "string"}}},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["id"],
        "source_defined_primary_key": [["id"]],
    },
    "notes": {
        "json_schema": {"type": "object", "properties": {"id": {"type": "integer"}, "run": {"type": "string"}}},
        "supported_sync_modes": ["full_refresh"],
    },
}


def named(key):
    properties = {key: {"type": "integer"}, "Run": {"type": "string"}}
    keys = {"default_cursor_field": [key], "source_defined_primary_key": [[key]]}
    return {**STREAMS["orders"], **keys, "json_schema": {"type": "object", "properties": properties}}


def say(kind, body):
    print(json.dumps({"type": kind, **body}), flush=True)


def status(stream, said):
    body = {"stream_descriptor": {"name": stream}, "status": said}
    say("TRACE", {"trace": {"type": "STREAM_STATUS", "emitted_at": 1764000000000, "stream_status": body}})


def state(stream, said):
    body = {"stream_descriptor": {"name": stream}, "stream_state": said}
    say("STATE", {"state": {"type": "STREAM", "stream": body}})


def read(config, catalog, states):
    for configured in catalog["streams"]:
        stream = configured["stream"]["name"]
        tells = config.get("statuses", True)
        if tells:
            status(stream, "STARTED")
        begin = states.get(stream, {}).get("id", 0) if configured["sync_mode"] == "incremental" else 0
        key, run, count = ("id", "run", stream) if stream in STREAMS else (config["key"], "Run", "orders")
        for sent, id in enumerate(range(begin, config[count])):
            if config.get("dies_in") == stream and sent == config["dies_after"]:
                sys.exit("the source dies")
            record = {"stream": stream, "data": {key: id, run: config["run"]}, "emitted_at": 1764000000123}
            say("RECORD", {"record": record})
        state(stream, {"id": config[count]})
        if tells:
            status(stream, "COMPLETE")


def main():
    arguments = sys.argv[1:]
    given = dict(zip(arguments[1::2], arguments[2::2]))

    def file(option):
        with open(given[option], encoding="utf-8") as text:
            return json.load(text)

    if arguments[0] == "spec":
        schema = {"type": "object", "additionalProperties": True, "properties": {}}
        say("SPEC", {"spec": {"connectionSpecification": schema}})
    elif arguments[0] == "check":
        say("CONNECTION_STATUS", {"connectionStatus": {"status": "SUCCEEDED"}})
    elif arguments[0] == "discover":
        config = file("--config")
        streams = {config["named"]: named(config["key"])} if "named" in config else STREAMS
        say("CATALOG", {"catalog": {"streams": [{"name": name, **stream} for name, stream in streams.items()]}})
    else:
        known = file("--state") if "--state" in given else []
        known = known if isinstance(known, list) else []
        states = {
            each["stream"]["stream_descriptor"]["name"]: each["stream"].get("stream_state") or {}
            for each in known
            if each.get("type") == "STREAM"
        }
        read(file("--config"), file("--catalog"), states)


main()
