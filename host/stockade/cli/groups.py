"""How every group of verbs is set up."""

import typer

__all__ = ["group"]


def group(help_text: str) -> typer.Typer:
    """A group of verbs in plain text: without rich, which would be slower than all of typer."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
