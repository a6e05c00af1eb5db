"""Finds a Chromium for the browser tests, or installs one: Playwright's own, else the system's package.

Prints its path; exits with 1 and a sentence where there is none, so that browser tests never pass by absence.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """Path of a browser on this machine."""
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    return _playwrights_own()


def _playwrights_own() -> str | None:
    # Where the system has a browser, Playwright's own is not needed.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return str(path) if path.exists() else None


def install() -> None:
    """Try both ways; what they print is the reason if neither works."""
    if subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False).returncode == 0:
        return
    if shutil.which("apt-get"):
        sudo = ["sudo", "-n"] if os.geteuid() else []
        subprocess.run([*sudo, "apt-get", "update"], check=False)
        packages = ["chromium", "fonts-liberation"]
        subprocess.run([*sudo, "apt-get", "install", "-y", "--no-install-recommends", *packages], check=False)


def main() -> None:
    if find() is None:
        install()
    path = find()
    if path is None:
        sys.exit("No Chromium was found or could be installed; install one and run the tests again.")
    print(path)


if __name__ == "__main__":
    main()
