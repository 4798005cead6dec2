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
    ask = {"type": "object", "additionalProperties": True}
    record = {"type": "object", "properties": {name: _column(column) for name, column in door.columns.items()}}
    split = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": {"type": "array", "items": {"type": "array"}},
        },
    }
    forms = {
        "dataframe_split": split,
        "dataframe_records": {"type": "array", "items": record},
        "instances": {"type": "array"},
        "inputs": {"type": ["object", "array"]},
    }
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer"}},
            "datatype": {"type": "string"},
            "data": {"type": "array"},
        },
    }
    label = {
        "type": "object",
        "required": ["key", "label"],
        "properties": {
            "key": {"type": ["string", "integer"]},
            "label": {},
            "known_at": {"type": ["string", "null"], "format": "date-time"},
        },
    }
    name = problem.name
    return {
        "openapi": "3.1.0",
        "info": {"title": f"perennial gateway of {name}", "version": "1", "description": problem.statement},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/invocations": {
                "post": _post(
                    "MLflow's scoring contract",
                    ask | {"minProperties": 1, "maxProperties": 1, "properties": forms, "additionalProperties": False},
                    {"type": "object", "required": ["predictions"], "properties": {"predictions": {"type": "array"}}},
                )
            },
            f"/v2/models/{name}/infer": {
                "post": _post(
                    "The Open Inference Protocol, version 2",
                    {
                        "type": "object",
                        "required": ["inputs"],
                        "properties": {"inputs": {"type": "array", "items": tensor}},
                    },
                    {"type": "object", "required": ["model_name", "outputs"]},
                )
            },
            "/labels": {
                "post": _post(
                    "What turned out to be true",
                    {
                        "oneOf": [
                            label,
                            {
                                "type": "object",
                                "required": ["labels"],
                                "properties": {"labels": {"type": "array", "items": label}},
                            },
                        ]
                    },
                    {"type": "object", "required": ["new", "repeated", "revised", "orphans"]},
                )
            },
            "/ping": {"get": _get("Is a model loaded?", {"200": "yes", "404": "not yet"})},
            "/health": {"get": _get("Is a model loaded?", {"200": "yes", "404": "not yet"})},
            "/version": {"get": _get("The version of MLflow whose contract this is", {"200": "text"})},
            "/v2": {"get": _get("The server", {"200": "its name"})},
            "/v2/health/live": {"get": _get("Does the process run?", {"200": "yes"})},
            "/v2/health/ready": {"get": _get("Is a model loaded?", {"200": "yes", "503": "not yet"})},
            f"/v2/models/{name}": {
                "get": _get("The model that serves", {"200": "its inputs and outputs", "503": "none yet"})
            },
            f"/v2/models/{name}/ready": {"get": _get("Is a model loaded?", {"200": "yes", "503": "not yet"})},
            "/metrics": {"get": _get("For Prometheus", {"200": "text", "401": "no token", "403": "not on loopback"})},
            "/": {"get": _get("A page for people", {"200": "HTML", "401": "no token", "403": "not on loopback"})},
            "/openapi.json": {"get": _get("This description", {"200": "JSON"})},
        },
    }


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
