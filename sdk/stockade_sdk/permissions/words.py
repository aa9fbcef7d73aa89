"""The grammar of single entries in a permission: paths, variables, secrets, headers."""

import re

from stockade_sdk.text import TextRefused

__all__ = [
    "MAX_HELP",
    "check_environment_name",
    "check_path",
    "check_secret_format",
    "check_secret_header",
    "check_secret_name",
]

MAX_PATH = 4096  # bytes, PATH_MAX of Linux
MAX_COMPONENT = 255  # bytes, NAME_MAX of Linux
MAX_HELP = 300  # characters: a few lines in a terminal
MAX_NAME = 128  # characters of a variable, a secret or a header
_PATH_REMEDY = 'write an absolute path as in "/srv/models", or "data"'

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(r"[A-Z][A-Z0-9_]*")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2
_FORMAT = re.compile(r"[!-~]([ -~]*[!-~])?")  # RFC 9110 5.5, without obs-text and outer blanks
_KERNEL_FOLDERS = ("/proc", "/sys", "/dev")

# Each of these makes some loader, runtime or shell run code, or names state of the host itself.
_LOADER_PREFIXES = (
    "LD_",
    "DYLD_",
    "PYTHON",
    "STOCKADE_",
    "MALLOC_",
    "GCONV_",
    "BASH_FUNC_",
    "_RLD",
)
_LOADER_NAMES = frozenset(
    {
        "BASHOPTS",
        "BASH_ENV",
        "CLASSPATH",
        "ENV",
        "GLIBC_TUNABLES",
        "HOSTALIASES",
        "IFS",
        "JAVA_TOOL_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "LIBPATH",
        "LOCALDOMAIN",
        "LOCPATH",
        "NLSPATH",
        "NODE_OPTIONS",
        "NODE_PATH",
        "OPENSSL_CONF",
        "OPENSSL_ENGINES",
        "OPENSSL_MODULES",
        "PERL5LIB",
        "PERL5OPT",
        "PERLLIB",
        "PROMPT_COMMAND",
        "RESOLV_HOST_CONF",
        "RES_OPTIONS",
        "RUBYLIB",
        "RUBYOPT",
        "SHELLOPTS",
        "SHLIB_PATH",
        "_JAVA_OPTIONS",
    }
)
# Framing, routing and connection headers belong to the client (RFC 9110 7.6.1, RFC 9112 6).
_RESERVED_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "forwarded",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def check_path(path: str) -> None:
    """Refuse what is neither an absolute POSIX path nor "data". Raises `TextRefused`."""
    if path == "data":
        return
    if not path.isprintable():
        raise TextRefused("holds control or invisible characters", _PATH_REMEDY)
    if path != path.strip() or not path.startswith("/"):
        raise TextRefused("is not an absolute path", _PATH_REMEDY)
    if not path.strip("/"):
        raise TextRefused("is everything", "name the folders that are needed")
    parts = path[1:].split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise TextRefused('holds "//", "." or ".."', "write the path it stands for")
    if any(character in path for character in "~$*?\\"):
        raise TextRefused(
            'holds one of ~ $ * ? and "\\"',
            "write the path itself: nothing is expanded, and a folder includes what is in it",
        )
    size = len(path.encode("utf-8"))
    if size > MAX_PATH or any(len(part.encode("utf-8")) > MAX_COMPONENT for part in parts):
        raise TextRefused("is too long", f"write at most {MAX_PATH} bytes, {MAX_COMPONENT} a name")
    if path in _KERNEL_FOLDERS or path.startswith(("/proc/", "/sys/")):
        raise TextRefused("is the kernel's, not a folder of files", _PATH_REMEDY)


def check_environment_name(name: str) -> str:
    """Give back the name of a variable that may be passed through. Raises `TextRefused`."""
    if len(name) > MAX_NAME or not _VARIABLE.fullmatch(name):
        raise TextRefused(
            "is not the name of a variable", "write letters, digits and _, no digit in front"
        )
    if name.upper().startswith(_LOADER_PREFIXES) or name.upper() in _LOADER_NAMES:
        raise TextRefused(
            "steers how programs are loaded or how stockade runs",
            "leave it out: no plugin gets such a variable",
        )
    return name


def check_secret_name(name: str) -> str:
    """Give back the name of a secret ([A-Z][A-Z0-9_]*). Raises `TextRefused`."""
    if len(name) > MAX_NAME or not _SECRET.fullmatch(name):
        raise TextRefused("is not the name of a secret", 'write it as in "EXAMPLE_API_KEY"')
    return name


def check_secret_header(name: str) -> str:
    """Give back the name of a header for a secret (RFC 9110 5.1). Raises `TextRefused`."""
    if len(name) > MAX_NAME or not _TOKEN.fullmatch(name):
        raise TextRefused("is not the name of a header", 'write it as in "x-api-key"')
    if name.lower() in _RESERVED_HEADERS:
        raise TextRefused("is a header that only the host sets", 'write it as in "authorization"')
    return name


def check_secret_format(text: str) -> str:
    """Give back the form of a header's value, {} for the secret. Raises `TextRefused`."""
    if len(text) > MAX_NAME or not _FORMAT.fullmatch(text):
        raise TextRefused("is not the value of a header", 'write it as in "Bearer {}"')
    if text.count("{}") != 1 or text.count("{") != 1 or text.count("}") != 1:
        raise TextRefused('does not hold exactly one "{}"', 'write it as in "Bearer {}"')
    return text
