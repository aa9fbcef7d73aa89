"""A page that only says what went wrong."""

from starlette.responses import Response

from stockade.errors import HostError
from stockade.page.visit import Visit


async def show_error(visit: Visit, error: HostError) -> Response:
    """Asks the host nothing: it may be the host that failed."""
    visit.fail(error)
    return visit.fragment("error.html", tab="", host=None, notices=[])
