"""A person before a real browser: opens, reads, clicks, types, and waits for what comes.

Chromium without a window, driven over WebDriver; nothing of it reaches further than loopback.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.system.served import Served

CHROMIUM: Final = Path("/usr/bin/chromium")
DRIVER: Final = Path("/usr/bin/chromedriver")  # named, so that selenium looks for none to fetch
PATIENCE_S: Final = 25.0  # on a busy machine
LOOK_S: Final = 0.03
WIDE: Final = (1280, 800)
PHONE: Final = (360, 740)
CALLS_HOME: Final = (
    "OptimizationHints",
    "MediaRouter",
    "Translate",
    "AutofillServerCommunication",
    "CertificateTransparencyComponentUpdater",
    "InterestFeedContentSuggestions",
)
FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",  # Chromium refuses its own as root
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    "--no-default-browser-check",
    "--lang=en-GB",
    "--accept-lang=en-GB",
    # It calls home of its own accord: for updates, safe browsing, hints, fonts, synchronisation.
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--disable-background-networking",
    "--disable-client-side-phishing-detection",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    f"--disable-features={','.join(CALLS_HOME)}",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-pings",
    "--no-service-autorun",
    "--password-store=basic",
    "--use-mock-keychain",
)
FULL_PAGE = "return [document.documentElement.scrollWidth, document.documentElement.scrollHeight]"

T = TypeVar("T")


@contextmanager
def browsing(profile: Path) -> Iterator[Chrome]:
    """A browser with a fresh profile, gone when the block is left."""
    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(str(DRIVER)))
    try:
        driver.set_page_load_timeout(PATIENCE_S)
        yield driver
    finally:
        driver.quit()


def gone(element: WebElement) -> bool:
    """Whether its page has been left."""
    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    except WebDriverException as error:  # asked for in the very moment in which it goes
        if "does not belong to the document" in str(error):
            return True
        raise
    return False


class Person:
    """Who uses the settings page of `gateway`; not signed in yet."""

    def __init__(self, driver: Chrome, gateway: Served) -> None:
        self.driver = driver
        self.gateway = gateway
        self.waits = WebDriverWait(
            driver,
            PATIENCE_S,
            LOOK_S,
            ignored_exceptions=(NoSuchElementException, StaleElementReferenceException),
        )

    # --- where one is ---

    def sign_in(self) -> Person:
        """By the URL that `serve` printed."""
        self.driver.get(self.gateway.url)
        self.see("#tab-providers")
        return self

    def open(self, path: str) -> Person:
        self.driver.get(self.gateway.address + path)
        return self

    @property
    def path(self) -> str:
        """Where the browser is, without the address of the host."""
        return str(self.driver.current_url).removeprefix(self.gateway.address)

    # --- reading ---

    def see(self, css: str) -> WebElement:
        """The element, once it is there and visible."""
        shown = self.until(lambda: next((e for e in self.all(css) if e.is_displayed()), None))
        assert shown is not None
        return shown

    def all(self, css: str) -> list[WebElement]:
        return list(self.driver.find_elements(By.CSS_SELECTOR, css))

    def text(self, css: str = "main") -> str:
        """What stands in the element as a reader sees it."""
        return self.see(css).text

    def value(self, css: str) -> str:
        """What a field holds."""
        return self.see(css).get_attribute("value") or ""

    def texts(self, css: str) -> list[str]:
        return [element.text for element in self.all(css)]

    def until(self, true: Callable[[], T]) -> T:
        """Wait until it is true; says what it was waiting for by the traceback."""
        return self.waits.until(lambda _: true())

    def until_text(self, css: str, *words: str) -> str:
        """The element's text, once it has all these words."""

        def has() -> str:
            text = self.text_now(css)
            return text if all(word in text for word in words) else ""

        try:
            return self.until(has)
        except Exception as error:
            error.add_note(f"{css} never showed {words}; it shows: {self.text_now(css)[:2000]}")
            raise

    def text_now(self, css: str) -> str:
        return " ".join(self.texts(css))

    # --- doing ---

    def click(self, css: str) -> None:
        """Press something that leaves the page as it is."""
        self.see(css).click()

    def go(self, css: str) -> Person:
        """Press something that leads to another page, and be there."""
        return self.leaving(lambda: self.see(css).click())

    def leaving(self, act: Callable[[], object]) -> Person:
        """Do what leads to another page, and be there."""
        page = self.driver.find_element(By.TAG_NAME, "html")
        act()
        self.until(lambda: gone(page))
        self.waits.until(
            lambda driver: driver.execute_script("return document.readyState") == "complete"
        )
        return self

    def write(self, css: str, text: str) -> None:
        """Type into a field, in place of what it holds."""
        field = self.see(css)
        field.clear()
        field.send_keys(text)

    def choose(self, css: str, label: str) -> None:
        """An option of a list, by its words."""
        options = self.see(css).find_elements(By.TAG_NAME, "option")
        next(option for option in options if option.text == label).click()

    def press(self, *keys: str) -> None:
        """Keys, wherever the focus is."""
        chain = ActionChains(self.driver)
        for key in keys:
            chain = chain.send_keys(key)
        chain.perform()

    def hold(self, held: str, key: str) -> None:
        """One key while another is held."""
        ActionChains(self.driver).key_down(held).send_keys(key).key_up(held).perform()

    @property
    def actions(self) -> ActionChains:
        return ActionChains(self.driver)

    # --- the browser itself ---

    def script(self, source: str, *args: object) -> Any:
        """What a script in the page finds; the page's own policy does not bind it."""
        return self.driver.execute_script(source, *args)

    def tell(self, method: str, **params: object) -> Any:
        """One word of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(method, params)

    def javascript(self, on: bool) -> None:
        """As the browser's setting does: for the pages that are loaded from now on."""
        self.tell("Emulation.setScriptExecutionDisabled", value=not on)

    def screen(self, size: tuple[int, int]) -> None:
        """The window's size; narrow ones are a phone's."""
        width, height = size
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def width_needed(self) -> int:
        """How wide the page is by its content: more than the window means a scroll sideways."""
        return int(self.script(FULL_PAGE)[0])

    def photograph(self, path: Path) -> None:
        """The whole page, from its head to its foot."""
        width, height = self.script(FULL_PAGE)
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.tell("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def complaints(self) -> list[str]:
        """What the console got since the last look: errors, warnings, violations of the policy."""
        rows = self.driver.get_log("browser")
        return [f"{row['level']}: {row['message']}" for row in rows]

    def requests(self) -> list[dict[str, Any]]:
        """The requests that were sent since the last look, with all their headers."""
        told = [json.loads(row["message"])["message"] for row in self.driver.get_log("performance")]
        return [
            message["params"]
            for message in told
            if message["method"]
            in ("Network.requestWillBeSent", "Network.requestWillBeSentExtraInfo")
        ]

    def begin(self) -> None:
        """As a browser is that was never used: no cookies, no sizes, script allowed."""
        self.driver.get("about:blank")
        self.tell("Network.clearBrowserCookies")
        self.tell("Emulation.setEmulatedMedia", media="", features=[])
        self.javascript(on=True)
        self.screen(WIDE)
        self.complaints()
        self.requests()
