"""Where a request goes: the resource, its deployments, the version of its API.

Each comes from the operator's configuration, or from the variable that Azure's own tools read. A
worker sees those three variables alone, because the manifest names them under ``environment``.
"""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import quote

from stockade_sdk import Context, ErrorKind, ProviderError

API_VERSION: Final = "2024-10-21"  # the last stable one that has a date

ENVIRONMENT: Final = {
    "endpoint": "AZURE_OPENAI_ENDPOINT",
    "deployment": "AZURE_OPENAI_DEPLOYMENT",
    "api_version": "AZURE_OPENAI_API_VERSION",
}


def setting(ctx: Context, key: str) -> str | None:
    """The operator's value for ``key``, else the environment's; ``None`` where nobody set it."""
    value = ctx.config.get(key) or os.environ.get(ENVIRONMENT.get(key, ""), "")
    return str(value).strip() or None


def required(ctx: Context, key: str) -> str:
    """The same; raises ProviderError(model_unavailable), which says what to run and lets a fallback
    answer.
    """
    value = setting(ctx, key)
    if value is None:
        raise ProviderError(
            ErrorKind.MODEL_UNAVAILABLE,
            f"no {key} is set; run: stockade config set azure-openai {key} VALUE",
        )
    return value


def deployments(ctx: Context) -> dict[str, str]:
    """The deployment of each model that has another name than the model itself.

    Written ``model=deployment``, commas between them.
    """
    pairs: dict[str, str] = {}
    for item in str(ctx.config.get("deployments") or "").split(","):
        model, equals, deployment = (part.strip() for part in item.partition("="))
        if model and equals and deployment:
            pairs[model] = deployment
        elif item.strip():
            raise ProviderError(
                ErrorKind.MODEL_UNAVAILABLE,
                f"{item.strip()!r} in deployments is no model=deployment; "
                "run: stockade config set azure-openai deployments MODEL=DEPLOYMENT,...",
            )
    return pairs


def resource_url(ctx: Context, path: str) -> str:
    """A page of the resource itself, by the dated version of the API."""
    version = quote(setting(ctx, "api_version") or API_VERSION, safe="")
    return f"{_resource(ctx)}/openai/{path}?api-version={version}"


def deployment_url(ctx: Context, deployment: str, path: str) -> str:
    """A page of one deployment. Its name came with the request, so it must not leave its place."""
    return resource_url(ctx, f"deployments/{quote(deployment, safe='')}/{path}")


def undated_url(ctx: Context, path: str) -> str:
    """A page of the API that has no dates; there the deployment is the ``model`` of the body."""
    return f"{_resource(ctx)}/openai/v1/{path}"


def _resource(ctx: Context) -> str:
    return required(ctx, "endpoint").partition("?")[0].rstrip("/").removesuffix("/openai/v1")
