"""How does a test use the Prefect UI as a person does? One browser, one page: open, read, fill in, click, look.

It needs the extra `browser`, and a Chromium on the machine: Debian's own, or the one that CHROMIUM names.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Browser", "browser", "chromium"]

_PATIENCE = 30_000  # ms: a page that is not there by then is not coming
_FOUND = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium() -> str | None:
    """The browser that is there; None where a test of the UI has to be skipped."""
    named = os.environ.get("CHROMIUM")
    return named or next((found for name in _FOUND if (found := shutil.which(name))), None)


class Browser:
    """The UI at `url`. What is waited for is text that a person sees; nothing here sleeps for a time that was guessed."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url = page, url.rstrip("/")

    def open(self, path: str = "/", *, says: str = "") -> None:
        """Go to a page of the UI, and wait until it says so."""
        self.page.goto(f"{self.url}{path}")
        if says:
            self.wait_for(says)

    def wait_for(self, text: str | re.Pattern[str], *, seconds: float = _PATIENCE / 1000) -> None:
        """Until the page shows the text somewhere."""
        try:
            self.page.get_by_text(text).first.wait_for(timeout=1000 * seconds)
        except Exception as error:
            raise AssertionError(
                f"{self.page.url} did not say {text!r} in {seconds:.0f} s; it says:\n{self.text}"
            ) from error

    def shows(self, text: str) -> bool:
        return bool(self.page.get_by_text(text).count())

    @property
    def text(self) -> str:
        """All that can be read on the page."""
        return str(self.page.inner_text("body"))

    def click(self, name: str, *, exact: bool = True) -> None:
        """A button, a link or an entry of a menu by what it is called; of several the last one that is there is the most
        particular, as the button of a page comes after those of the navigation."""
        named = {"name": name, "exact": exact}
        found = self.page.get_by_role("button", **named).or_(self.page.get_by_role("link", **named))
        found.last.click()

    def submit(self, name: str = "Submit") -> None:
        """Click until the form is gone, which says that it was taken. Over SQLite a busy server refuses at times, the UI says
        that something went wrong, and a person clicks once more."""
        from playwright.sync_api import TimeoutError as NotYetError

        button = self.page.get_by_role("button", name=name, exact=True)
        for _ in range(6):
            if button.count():
                button.click()
            try:
                return button.wait_for(state="detached", timeout=10_000)
            except NotYetError:
                continue
        raise AssertionError(f"{self.page.url} did not take the form; it says:\n{self.text}")

    def follow(self, name: str) -> None:
        """The first link that is called so: in lists it leads to the thing itself."""
        self.page.get_by_role("link", name=name).first.click()

    def search(self, placeholder: str, text: str) -> None:
        self.page.get_by_placeholder(placeholder).fill(text)

    def fill(self, field: str, text: str) -> None:
        """A field of a form, by its label as the form shows it."""
        self._field(field).locator("input, textarea").first.fill(text)

    def choose(self, field: str, option: str) -> None:
        """An option of a field that offers some."""
        self._offered(field).get_by_text(option, exact=True).click()
        self._field(field).get_by_text(option, exact=True).wait_for()

    def options(self, field: str) -> list[str]:
        """What a field offers."""
        offered = [text.strip() for text in self._offered(field).all_inner_texts()]
        self.page.keyboard.press("Escape")
        return offered

    def settle(self) -> None:
        """Until nothing is fetched any more: before a picture."""
        self.page.wait_for_load_state("networkidle")
        self.page.evaluate("document.fonts.ready")

    def picture(self, file: Path, *, height: int = 0) -> Path:
        """What is to be seen, as PNG; `height` px, where another than the window's is wanted."""
        file.parent.mkdir(parents=True, exist_ok=True)
        size = self.page.viewport_size
        if height:
            self.page.set_viewport_size({**size, "height": height})
        self.settle()
        self.page.screenshot(path=str(file), animations="disabled")
        self.page.set_viewport_size(size)
        return file

    def _offered(self, field: str) -> Any:
        # By keyboard: the label around the control takes a click to be a second one, which closes what the first opened.
        self._field(field).locator(".p-select-button__control").first.focus()
        self.page.keyboard.press("ArrowDown")
        found = self.page.get_by_role("option")
        found.first.wait_for()
        return found

    def _field(self, label: str) -> Any:
        """The innermost field whose label is this one, with or without the form's word that it may stay empty."""
        called = re.compile(rf"^\s*{re.escape(label)}( \(Optional\))?\s*$")
        named = self.page.locator(".schema-form-property__label").filter(has_text=called)
        return self.page.locator(".schema-form-property").filter(has=named).last.locator("fieldset").first


@contextmanager
def browser(url: str, *, width: int = 1440, height: int = 1000) -> Iterator[Browser]:
    """A headless browser at the UI, which keeps nothing and reaches nothing but what `url` serves."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        # As root, in a container, Chromium has no sandbox to run in.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        running = started.chromium.launch(executable_path=chromium(), args=flags)
        try:
            page = running.new_page(viewport={"width": width, "height": height}, timezone_id="UTC", locale="en-GB")
            page.set_default_timeout(_PATIENCE)
            # The UI asks for fonts and news elsewhere: a test depends on no other machine.
            ours = url.split("/")[2]
            page.route("**/*", lambda route: route.continue_() if _of(route, ours) else route.abort())
            yield Browser(page, url)
        finally:
            running.close()


def _of(route: Any, host: str) -> bool:
    address = str(route.request.url)
    return address.startswith(("data:", "blob:")) or address.split("/")[2] == host
