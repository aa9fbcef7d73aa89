"""The vendors' hosts that shipped plugins speak to, for taking over what knew only a base URL."""

from urllib.parse import urlsplit

import msgspec

__all__ = ["AZURE", "COMPATIBLE", "HOSTS", "Found", "Vendor", "find"]


class Vendor(msgspec.Struct, frozen=True):
    """A shipped plugin: the wire it speaks, and the key of its configuration for the base URL (None
    where its own path differs from that of the wire an old configuration spoke).
    """

    plugin: str
    wire: str | None = "openai"  # None: a wire of the vendor's own
    key: str | None = "base_url"


# As the `network` of the plugins' manifests, which a test compares.
HOSTS: dict[str, Vendor] = {
    "api.openai.com": Vendor("openai"),
    "api.anthropic.com": Vendor("anthropic", "anthropic"),
    "openrouter.ai": Vendor("openrouter"),
    "generativelanguage.googleapis.com": Vendor("gemini", None, None),
    "api.deepseek.com": Vendor("deepseek"),
    "dashscope.aliyuncs.com": Vendor("qwen"),
    "dashscope-intl.aliyuncs.com": Vendor("qwen"),
    "dashscope-us.aliyuncs.com": Vendor("qwen"),
    "api.moonshot.ai": Vendor("moonshot"),
    "api.moonshot.cn": Vendor("moonshot"),
    "api.mistral.ai": Vendor("mistral"),
    "api.groq.com": Vendor("groq"),
}
AZURE = ("openai.azure.com", Vendor("azure-openai", key="endpoint"))  # any host below it
COMPATIBLE = {
    "openai": Vendor("openai-compatible"),
    "anthropic": Vendor("anthropic-compatible", "anthropic"),
}
HTTP, HTTPS = 80, 443


class Found(msgspec.Struct, frozen=True):
    """The plugin for an old configuration, and what of it becomes the plugin's. `host` is as
    `--allow-host` takes it, `dropped` names what does not become the plugin's.
    """

    plugin: str
    config: dict[str, str]
    host: str = ""
    dropped: str = ""


def find(wire: str, base_url: str) -> Found:
    """The shipped plugin for a wire ("openai", "anthropic") and a base URL, "" for the vendor's
    own. Raises ValueError: neither wire, or no URL.
    """
    if wire not in COMPATIBLE:
        raise ValueError("neither an openai nor an anthropic api_format")
    if not base_url:
        return Found(wire, {})
    url = urlsplit(base_url)
    host = url.hostname
    if url.scheme not in ("http", "https") or not host or not base_url.isprintable():
        raise ValueError("its base_url is no http or https URL")
    vendor = COMPATIBLE[wire] if url.port not in (None, HTTPS) else _vendor(host, wire)
    shown = f"[{host}]" if ":" in host else host
    origin = f"{url.scheme}://{shown}" + (f":{url.port}" if url.port else "")
    port = url.port or (HTTPS if url.scheme == "https" else HTTP)
    rule = shown if port == HTTPS else f"{shown}:{port}"
    path = "" if vendor.key == "endpoint" else url.path.rstrip("/")
    has_more = bool(url.username or url.password or url.query or url.fragment)
    dropped = "the credentials or parameters in its base_url" if has_more else ""
    config = {} if vendor.key is None else {vendor.key: origin + path}
    return Found(vendor.plugin, config, rule, dropped)


def _vendor(host: str, wire: str) -> Vendor:
    vendor = HOSTS.get(host)
    if vendor is None and host.endswith(f".{AZURE[0]}"):
        vendor = AZURE[1]
    if vendor is not None and vendor.wire in (wire, None):
        return vendor
    return COMPATIBLE[wire]
