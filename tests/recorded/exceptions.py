"""Recorded interactions that do not pass, by part of the suite, each with the reason."""

EXCEPTIONS: dict[tuple[str, str], str] = {
    ("worker", "gemini/plain_chat_7fd72a4044"): (
        "a chat request to a speech model: the catalogue knows that it does not serve chat, and "
        "refuses before anything is sent; `speak` is the way to it"
    ),
}
