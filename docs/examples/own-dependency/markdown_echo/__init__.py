"""A plugin with a dependency of its own: the package is there when the plugin is loaded."""

from markdown_it import MarkdownIt

from stockade_sdk import ChatRequest, ChatResponse, Context, Provider


class MarkdownEcho(Provider):
    """One parser serves all calls of its worker."""

    def __init__(self) -> None:
        self.parser = MarkdownIt("js-default")

    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        """The prompt as HTML."""
        return ChatResponse.of_text(self.parser.render(request.last_text))
