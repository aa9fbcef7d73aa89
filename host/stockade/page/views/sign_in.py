"""The form that asks for a token."""

from starlette.responses import Response

from stockade.page.visit import Visit


async def show_sign_in(visit: Visit) -> Response:
    after = visit.form.text("next") or visit.query.text("next")
    if not after and visit.request.url.path != "/login":
        after = visit.here  # of a URL whose token did not let in
    return visit.fragment("login.html", tab="", host=None, notices=[], after=after)
