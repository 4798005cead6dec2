"""How would a tool that reads OpenAPI describe this gateway? Its paths, what they take, and every answer they give."""

from types import NoneType
from typing import Any

from deployments.gateway.serving import Serving
from schemas.problem import Problem
from tasks.compiled import Column
from tasks.door import Door

__all__ = ["describe", "model_metadata"]

_TYPES = {"real": "number", "whole": "integer", "truth": "boolean"}
_DATATYPES = {"real": "FP64", "whole": "INT64", "truth": "BOOL"}


def describe(problem: Problem, door: Door) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the problem's gateway."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"perennial gateway of {problem.name}",
            "version": "1",
            "description": problem.statement,
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/invocations": {"post": _invocations(door)},
            f"/v2/models/{problem.name}/infer": {"post": _infer()},
            "/labels": {"post": _labels()},
            **{path: {"get": _get(about, answers)} for path, (about, answers) in _asked(problem.name).items()},
        },
    }


def _invocations(door: Door) -> dict[str, Any]:
    split = _object("columns", "data", columns=_list({"type": "string"}), data=_list({"type": "array"}))
    record = {"type": "object", "properties": {name: _column(column) for name, column in door.columns.items()}}
    forms = {
        "dataframe_split": split,
        "dataframe_records": _list(record),
        "instances": {"type": "array"},
        "inputs": {"type": ["object", "array"]},
    }
    takes = {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": forms,
    }
    return _post("MLflow's scoring contract", takes, _object("predictions", predictions={"type": "array"}))


def _infer() -> dict[str, Any]:
    tensor = _object(
        "name",
        "shape",
        "datatype",
        "data",
        name={"type": "string"},
        shape=_list({"type": "integer"}),
        datatype={"type": "string"},
        data={"type": "array"},
    )
    gives = {"type": "object", "required": ["model_name", "outputs"]}
    return _post("The Open Inference Protocol, version 2", _object("inputs", inputs=_list(tensor)), gives)


def _labels() -> dict[str, Any]:
    label = _object(
        "key",
        "label",
        key={"type": ["string", "integer"]},
        label={},
        known_at={"type": ["string", "null"], "format": "date-time"},
    )
    takes = {"oneOf": [label, _object("labels", labels=_list(label))]}
    gives = {"type": "object", "required": ["new", "repeated", "revised", "orphans"]}
    return _post("What turned out to be true", takes, gives)


def _asked(name: str) -> dict[str, tuple[str, dict[str, str]]]:
    """What can be read: about what it is, and its answers by status."""
    loaded = "Is a model loaded?"
    people = {"401": "no token", "403": "not on loopback"}
    return {
        "/ping": (loaded, {"200": "yes", "404": "not yet"}),
        "/health": (loaded, {"200": "yes", "404": "not yet"}),
        "/version": ("The version of MLflow whose contract this is", {"200": "text"}),
        "/v2": ("The server", {"200": "its name"}),
        "/v2/health/live": ("Does the process run?", {"200": "yes"}),
        "/v2/health/ready": (loaded, {"200": "yes", "503": "not yet"}),
        f"/v2/models/{name}": ("The model that serves", {"200": "its inputs and outputs", "503": "none yet"}),
        f"/v2/models/{name}/ready": (loaded, {"200": "yes", "503": "not yet"}),
        "/metrics": ("For Prometheus", {"200": "text", **people}),
        "/": ("A page for people", {"200": "HTML", **people}),
        "/openapi.json": ("This description", {"200": "JSON"}),
    }


def _object(*required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _column(column: Column) -> dict[str, Any]:
    kind = _TYPES.get(column.kind, "string")
    return {"type": [kind, "null"] if NoneType in column.takes else kind}


def _post(about: str, takes: dict[str, Any], gives: dict[str, Any]) -> dict[str, Any]:
    errors = {
        "400": "no JSON, or of no known form",
        "401": "no token",
        "403": "not on loopback, and without a token",
        "409": "the request id was used for another payload",
        "413": "too large",
        "415": "no JSON",
        "422": "rows break the contract: which, by column, rule and kind of value",
        "500": "a defect of the gateway",
        "503": "no model is loaded, too much waits, or the log cannot be written: ask again",
    }
    error = {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}
    answers: dict[str, Any] = {"200": {"description": "answered", "content": {"application/json": {"schema": gives}}}}
    answers |= {s: {"description": a, "content": {"application/json": {"schema": error}}} for s, a in errors.items()}
    return {
        "summary": about,
        "requestBody": {"required": True, "content": {"application/json": {"schema": takes}}},
        "responses": answers,
    }


def _get(about: str, answers: dict[str, str]) -> dict[str, Any]:
    return {"summary": about, "responses": {status: {"description": said} for status, said in answers.items()}}


def model_metadata(problem: Problem, serving: Serving) -> dict[str, Any]:
    """The model as the Open Inference Protocol describes it."""
    columns = serving.door.columns
    inputs = [
        {"name": name, "datatype": _DATATYPES.get(columns[name].kind, "BYTES"), "shape": [-1]}
        for name in serving.champion.features or problem.recipe.features
    ]
    width = problem.framing.n_classes
    return {
        "name": problem.name,
        "versions": [serving.route.champion.version],
        "platform": "perennial_sklearn",
        "inputs": inputs,
        "outputs": [
            {"name": "predict", "datatype": "FP64", "shape": [-1, width] if width else [-1]},
            {
                "name": "decision",
                "datatype": "BYTES" if problem.framing.task == "multiclass" else "FP64",
                "shape": [-1],
            },
        ],
    }
