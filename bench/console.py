"""What the operator's page costs: the CPU share of its node while a browser shows a robot in real time.

Must: less than 10 % of a core. The browser is a headless Chromium on the same machine, which draws with the
CPU and takes far more than the node does; what matters is that the robot keeps its time meanwhile, so the
real-time factor stands beside it.

    python bench/console.py [--quick] [--out FILE]
"""

import argparse
import socket
import sys
import tempfile
import time
from pathlib import Path

from browsing import chromium
from launching import launched, write_result
from playwright.sync_api import sync_playwright
from watching import DiagnosticsWatch, cpu_seconds

_PATIENCE_S = 120.0
_SETTLE_S = 10.0
"""The page is loaded and the first curves are drawn by then, wall time, s."""
_MOST = 0.1


def measure(seconds: float, folder: Path) -> dict[str, float]:
    """One simulated robot that walks, watched for so much wall time."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = {"speed": 1, "console": "true", "console_port": port, "seed": 1}
    with launched("sim.launch.py", arguments, folder) as (process, domain), sync_playwright() as playwright:
        watch = DiagnosticsWatch(domain)
        watch.until(lambda: int(watch.values("policy_executor").get("ticks", 0)) > 50, _PATIENCE_S)
        browser = chromium(playwright)
        browser.new_page(viewport={"width": 900, "height": 700}).goto(f"http://127.0.0.1:{port}")
        watch.until(lambda: watch.values("console").get("pages") == "1", _PATIENCE_S)
        watch.spin(_SETTLE_S)
        begin, used = time.monotonic(), cpu_seconds(process.pid)["console"]
        watch.spin(seconds)
        share = (cpu_seconds(process.pid)["console"] - used) / (time.monotonic() - begin)
        told, robot = watch.values("console"), watch.values("sim_bridge")
        browser.close()
        watch.close()
    return {
        "cpu_share": share,
        "drawings_per_s": float(told["loop_rate_hz"]),
        "real_time_factor": float(robot["real_time_factor"]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20 s in place of 60")
    parser.add_argument("--out", type=Path, help="write the figures as flat JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ros2_rl_") as folder:
        figures = measure(20.0 if args.quick else 60.0, Path(folder))
    for name, value in figures.items():
        print(f"{name:20s} {value:.3f}")
    write_result(args.out, figures)
    return 0 if figures["cpu_share"] < _MOST else 1


if __name__ == "__main__":
    sys.exit(main())
