"""A headless Chromium that draws with the CPU, so that the operator's page can be shown anywhere."""

import shutil

from playwright.sync_api import Browser, Playwright

_FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def chromium(playwright: Playwright) -> Browser:
    """The machine's own browser, started."""
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
