"""What tests say to the stand-in, and ask it; Databricks has nothing like it."""

from compute import Rule


def answer(server, method, path, request):
    """PUT computes/<id>: a new warehouse or cluster, or other settings of one (token, state, starts_in, chunk_rows, client,
    new_tables, scripted, rules). GET computes/<id>: what it was asked. POST sql: runs a statement at once, whatever rules there are.
    POST computes/<id>/restart: a cluster loses its sessions, and says so as `told` has it.
    DELETE computes/<id>: it goes, with `schemas`, their volumes, and what is known of the bucket or container `root`.
    GET uploads/<catalog>/<schema>/<volume>: how many uploads have begun there and not ended.
    PUT volumes/<catalog>/<schema>/<volume>: makes a volume. GET volumes/<catalog>/<schema>/<volume>: the paths of its files and folders.
    """
    match [method, *path.split("/")]:
        case ["PUT", "computes", id]:
            compute = server.workspace.find(id) or server.workspace.add(id=id, token=request["token"])
            for name, value in request.items():
                setattr(compute, name, [Rule(**rule) for rule in value] if name == "rules" else value)
            return {}
        case ["GET", "computes", id]:
            compute = server.workspace.find(id)
            asked = {"requests": compute.requests, "turned_away": compute.turned_away, "statements": compute.statements}
            return {"state": compute.now(), "starts": compute.starts} | asked
        case ["POST", "computes", id, "restart"]:
            compute = server.workspace.find(id)
            compute.lost |= compute.sessions
            compute.told = request.get("told", "handle")
            return {"sessions": len(compute.lost)}
        case ["DELETE", "computes", id]:
            server.workspace.remove(id)
            for statement in [found for found in list(server.api.statements.values()) if found.compute.id == id]:
                server.api.stop(statement)
                del server.api.statements[statement.id]
            server.engine.forget(request["schemas"], request["root"])
            server.files.volumes.forget(request["schemas"])
            return {}
        case ["GET", "uploads", *name]:
            begun = [session for session in list(server.files.cloud.sessions.values()) if not session.ended]
            return {"begun": sum(session.path.lower().startswith(f"/volumes/{'/'.join(name)}/") for session in begun)}
        case ["PUT", "volumes", *name]:
            return {"created": server.files.volumes.create(*name)}
        case ["GET", "volumes", *name]:
            folder = server.files.volumes.folder(*name)
            return {"paths": sorted(str(path.relative_to(folder)) + "/" * path.is_dir() for path in folder.rglob("*"))}
        case ["POST", "sql"]:
            result = server.engine.run(request["statement"], "stand-in")
            return {"columns": [name for name, _ in result.columns], "rows": result.rows}
        case ["GET", "thrift"]:
            return {"port": server.thrift.port()}
    raise ValueError(f"{method} {path}")
