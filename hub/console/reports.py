"""The inspection reports' files, as the worker left them."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from hub.report.inspections import NAME

TYPES = {"html": "text/html", "pdf": "application/pdf"}
# A report is one file with its style in it; it runs and fetches nothing.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def report_route(folder: Path) -> Route:
    """Return the route to NAME/ja.html and the like; 404 for whatever is no report."""

    async def report(request: Request) -> Response:
        name, file = request.path_params["name"], request.path_params["file"]
        language, _, kind = file.partition(".")
        path = folder / name / file
        if not NAME.fullmatch(name) or language not in ("ja", "en") or kind not in TYPES:
            raise HTTPException(404, "no such report; /api/status lists them")
        if not path.is_file():
            raise HTTPException(404, "no such report; /api/status lists them")
        headers = {"content-security-policy": POLICY}
        if kind == "pdf":
            headers["content-disposition"] = f'inline; filename="{name}-{file}"'
        return FileResponse(path, media_type=TYPES[kind], headers=headers)

    return Route("/reports/{name}/{file}", report)
