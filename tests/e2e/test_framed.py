"""The preview of a report that was tampered with: nothing in it runs, or reaches the page or the network."""

import html

from playwright.sync_api import Dialog, Page, Route

from pages.parts.door import _rules
from pages.parts.report import framed

EVIL = """<!doctype html><p id=here>here</p><script>parent.parent.reached = 1; alert(1)</script>
<img src=x onerror="alert(2)"><img src="http://evil.example/x.png"><a id=link href="javascript:alert(3)">link</a>
<form action="http://evil.example/"><button id=send>send</button></form>
<meta http-equiv=refresh content="0;url=http://evil.example/away"><iframe src="http://evil.example/f"></iframe>
<svg onload="alert(4)"></svg><style>@import url(http://evil.example/s.css);</style>"""


def test_nothing_in_the_preview_of_a_report_runs_or_is_fetched(page: Page) -> None:
    asked: list[str] = []
    said: list[str] = []
    # As Streamlit frames it: what the frame holds could run and reach the page.
    around = '<iframe sandbox="allow-scripts allow-same-origin allow-forms allow-popups" srcdoc="{}"></iframe>'
    body = f"<!doctype html><title>page</title>{around.format(html.escape(framed(EVIL)))}"

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if route.request.url == "http://dashboard.example/":
            headers = {name: rule for name, rule in _rules("dashboard.example") if "security-policy" in name}
            route.fulfill(body=body, content_type="text/html", headers=headers)
        else:
            route.abort()

    page.route("**/*", answer)

    def dismiss(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.goto("http://dashboard.example/")
    inside = page.frame_locator("iframe").frame_locator("iframe")
    assert inside.locator("#here").inner_text() == "here"
    inside.locator("#link").click()
    inside.locator("#send").click()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.reached") is None
    assert said == []
    assert [url for url in asked if url != "http://dashboard.example/"] == []
    assert inside.locator("#here").inner_text() == "here"
