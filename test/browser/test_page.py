"""The operator's page in a real headless browser, before a simulated robot that walks."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from browsing import chromium

PATIENCE_MS = 60_000


@pytest.fixture
def url() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ("speed:=1", "console:=true", f"console_port:={port}")
    command = ["ros2", "launch", "ros2_rl", "sim.launch.py", *words]
    launch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert launch.stdout is not None
    for line in launch.stdout:
        if "can be watched at" in line:
            break
    assert launch.poll() is None
    yield f"http://localhost:{port}"
    launch.send_signal(signal.SIGINT)
    output, _ = launch.communicate(timeout=60)
    assert launch.returncode == 0 and "Traceback" not in output, output


@pytest.fixture
def page(url: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        page = browser.new_page(viewport={"width": 900, "height": 700})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(url)
        yield page
        browser.close()


def picture(page: Page) -> bytes:
    """The scene alone; the panel has texts that change."""
    return page.screenshot(clip={"x": 150, "y": 150, "width": 350, "height": 350})


def test_the_page_loads_the_robot_moves_and_stop_stops(page: Page) -> None:
    page.get_by_role("heading", name="POLICY").wait_for()
    before, end = picture(page), time.monotonic() + PATIENCE_MS / 1000
    while picture(page) == before:
        assert time.monotonic() < end, "nothing moves"
    page.get_by_role("button", name="Next command", exact=True).click()
    page.get_by_text("practice/next_command:").wait_for()
    page.get_by_role("button", name="STOP", exact=True).click()
    page.get_by_role("heading", name="ESTOP").wait_for()
    page.get_by_role("button", name="Arm", exact=True).click()
    page.get_by_text("supervisor/arm:").wait_for()
    assert page.get_by_role("heading", name="ESTOP").is_visible(), "STOP outranks everything"
