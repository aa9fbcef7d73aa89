"""The OpenAPI 3.1 document of `/api/`, from the table of endpoints. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, get_args, get_origin

import msgspec

from .endpoint import Endpoint
from .endpoints import PARAMS
from .failures import KINDS, STATUSES
from .values import Failure, Given

REF: Final = "#/components/schemas/{name}"
JSON: Final = "application/json"
Schema = dict[str, Any]

# What may come of a request beside its success: of any, of one that names something, of one that
# brings a body.
OF_ALL: Final = (400, 401, 403, 421, 422, 431, 500, 503)
OF_NAMES: Final = (404, 409)
OF_BODIES: Final = (408, 413, 415)
MEANINGS: Final = {
    400: "The request cannot be read, or is of the wrong shape",
    401: "No token, or nobody's",
    403: "Not allowed: the token's scope, a permission, trust or the sandbox stands against it",
    404: "There is nothing of that name",
    408: "The body did not come in time",
    409: "It is there already, or not what was looked at",
    413: "The body is too large",
    415: "The body is not application/json",
    421: "The Host header names another host",
    422: "It can be read and cannot be done; the message says what to mend",
    431: "The headers are too large, or too many",
    500: "A failure of stockade's own; its log has more",
    503: "There is no room now, or what stockade keeps on disk cannot be used",
}
# One event of a stream. OpenAPI 3.1 has no word of its own for that: a schema of the whole is read
# as one of each event.
EVENT: Final = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "description": "`error`: a failure, and the last"},
        "data": {
            "type": "string",
            "contentMediaType": JSON,
            "contentSchema": {"$ref": REF.format(name="LogLine")},
        },
    },
}
ABOUT: Final = (
    "What an operator can see and do with a running stockade. A name in a path is percent-encoded "
    "where it holds a slash or a percent sign. Unknown fields, in queries and in bodies, are "
    "refused; new fields may come into answers. Work that takes long is a job: ask for it again."
)


def document(endpoints: Sequence[Endpoint], version: str) -> Schema:
    """The whole document, as plain values for JSON."""
    paths: dict[str, Schema] = {}
    for endpoint in sorted(endpoints, key=lambda one: one.path):
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {"title": "stockade: admin API", "version": version, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": tag} for tag in sorted({tag_of(one) for one in endpoints})],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the scope admin: `stockade tokens create`",
                }
            },
            "responses": {f"E{status}": failed(status) for status in MEANINGS},
            "schemas": schemas(endpoints),
        },
    }


def operation(endpoint: Endpoint) -> Schema:
    """One method of one path."""
    shown: Schema = {
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "tags": [tag_of(endpoint)],
        "parameters": [*(named(param) for param in endpoint.params), *asked(endpoint.query)],
        "responses": {
            str(endpoint.status): answered(endpoint),
            **{
                str(status): {"$ref": f"#/components/responses/E{status}"}
                for status in sorted(failures_of(endpoint))
            },
        },
    }
    if endpoint.body is not None:
        shown["requestBody"] = {
            "required": bool(required_of(endpoint.body)),
            "content": {JSON: {"schema": schema_of(endpoint.body)}},
        }
    return shown


def tag_of(endpoint: Endpoint) -> str:
    return endpoint.path.split("/")[2]


def failures_of(endpoint: Endpoint) -> Iterable[int]:
    yield from OF_ALL
    if endpoint.params or endpoint.body is not None or required_of(endpoint.query):
        yield from OF_NAMES
    if endpoint.body is not None:
        yield from OF_BODIES


def answered(endpoint: Endpoint) -> Schema:
    """Its success."""
    if endpoint.answer is None:
        return {"description": "Done"}
    content: Schema = {JSON: {"schema": schema_of(endpoint.answer)}}
    if endpoint.follow is not None:
        content["text/event-stream"] = {"schema": EVENT}
    shown: Schema = {"description": endpoint.summary, "content": content}
    if endpoint.status == 202:
        where = {"type": "string", "format": "uri-reference"}
        shown["headers"] = {"location": {"description": "Where the job is", "schema": where}}
    return shown


def failed(status: int) -> Schema:
    """What a status of 400 and above says; its kinds in words."""
    kinds = sorted({kind for _, of, kind in STATUSES if of == status} | {KINDS.get(status, "")})
    named = ", ".join(f"`{kind}`" for kind in kinds if kind)
    return {
        "description": f"{MEANINGS[status]}. `kind`: {named}",
        "content": {JSON: {"schema": schema_of(Failure)}},
    }


def named(param: str) -> Schema:
    """A name in a path."""
    schema = msgspec.json.schema(PARAMS[param])
    return {"name": param, "in": "path", "required": True, "schema": schema}


def asked(query: type[Given]) -> list[Schema]:
    """The fields of a query. That they may be left out is said by `required`, not by null."""
    _, components = msgspec.json.schema_components([query], ref_template=REF)
    fields = components[query.__name__]["properties"]
    must = required_of(query)
    return [
        {"name": name, "in": "query", "required": name in must, "schema": without_null(schema)}
        for name, schema in fields.items()
    ]


def without_null(schema: Schema) -> Schema:
    """The schema of what a query can say: there is no null in it."""
    kept = {key: value for key, value in schema.items() if (key, value) != ("default", None)}
    kinds = [one for one in kept.pop("anyOf", ()) if one != {"type": "null"}]
    if len(kinds) == 1:
        kept.update(kinds[0])
    elif kinds:
        kept["anyOf"] = kinds
    return kept


def required_of(given: type[Given]) -> frozenset[str]:
    """The fields that have to be said."""
    return frozenset(one.name for one in msgspec.structs.fields(given) if one.required)


def schema_of(type_: Any) -> Schema:
    """A reference to a struct's schema, or an array of such; answers are nothing else."""
    if get_origin(type_) is list:
        return {"type": "array", "items": schema_of(*get_args(type_))}
    return {"$ref": REF.format(name=type_.__name__)}


def schemas(endpoints: Sequence[Endpoint]) -> Schema:
    """The schemas of all bodies and answers, by name, their descriptions on one line."""
    types: list[Any] = [Failure]
    for endpoint in endpoints:
        types += [one for one in (endpoint.body, endpoint.answer) if one is not None]
    _, components = msgspec.json.schema_components(types, ref_template=REF)
    for schema in components.values():
        if "description" in schema:
            schema["description"] = " ".join(schema["description"].split())
    return dict(sorted(components.items()))
