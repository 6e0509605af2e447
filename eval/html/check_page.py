#!/usr/bin/env python3
"""Opens HTML pages in headless Chromium and checks them; with --screenshots it leaves screenshots of one to look at.

usage: check_page.py PAGE.html... [--screenshots FOLDER [--section ID] [--format png]]

On a desktop (1280 px) and a phone (390 px), each light and dark: nothing on the console, no request, nothing wider than the window,
a contrast of at least 4.5 : 1 between every text and its background, an alternative text for every image, and loaded within 2 s.
Without scripts, at least 95 % of the text is still there. Exits with 1 and says what is wrong. Screenshots show the whole page, with
--section one window from that section on. Needs Chromium ("chromium" in PATH, or $CHROMIUM).
"""
import argparse
import base64
import fcntl
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SIZES = ((1280, 900, False), (390, 844, True))
SECONDS = 2

# Texts of too little contrast, images without a text, elements that leave the page.
CHECK = r"""
(() => {
  const wrong = [];
  const parse = text => {
    const n = (text.match(/[\d.]+/g) || []).map(Number);
    return n.length < 3 ? null : {rgb: n.slice(0, 3), a: n.length > 3 ? n[3] : 1};
  };
  const over = (top, below) => top.rgb.map((c, i) => c * top.a + below[i] * (1 - top.a));
  const ground = element => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color && color.a > 0) layers.push(color);
      if (color && color.a === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const luminance = rgb => rgb.map(c => c / 255).map(c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || seen.has(element) || element.closest('script,title,[hidden]')) continue;
    seen.add(element);
    if (!element.getClientRects().length) continue;
    const style = getComputedStyle(element), below = ground(element);
    const color = parse(element instanceof SVGElement ? style.fill : style.color);
    if (!color) continue;
    const [a, b] = [luminance(over(color, below)), luminance(below)].sort((x, y) => y - x);
    const contrast = (a + .05) / (b + .05);
    if (contrast < 4.5) wrong.push(`contrast ${contrast.toFixed(2)}: ${element.textContent.trim().slice(0, 40)} (${element.className.baseVal ?? element.className})`);
  }
  document.querySelectorAll('svg[role=img]:not([aria-label]),img:not([alt]),svg:not([role=img]):not([aria-hidden])')
    .forEach(e => wrong.push('no text for ' + e.outerHTML.slice(0, 80)));
  if (document.documentElement.scrollWidth > WIDTH) wrong.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  return wrong;
})()
"""


class Browser:
    """Chromium behind a pipe: the DevTools protocol, messages end with a zero byte."""

    def __init__(self, profile):
        to_read, self.to = os.pipe()
        self.back, back_write = os.pipe()
        program = os.environ.get("CHROMIUM", "chromium")

        def pass_pipes():
            # Copies first: the pipes may themselves be 3 and 4.
            copies = fcntl.fcntl(to_read, fcntl.F_DUPFD, 10), fcntl.fcntl(back_write, fcntl.F_DUPFD, 10)
            os.dup2(copies[0], 3)
            os.dup2(copies[1], 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe",
             "--user-data-dir=" + profile, "about:blank"],
            preexec_fn=pass_pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(back_write)
        self.buffer, self.events, self.id, self.session = b"", [], 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def receive(self):
        while b"\0" not in self.buffer:
            piece = os.read(self.back, 1 << 20)
            if not piece:
                raise RuntimeError("Chromium has ended")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **params):
        self.id += 1
        message = dict(id=self.id, method=method, params=params)
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.id:
                if "error" in answer:
                    raise RuntimeError(method + ": " + answer["error"]["message"])
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def close(self):
        self.process.kill()
        self.process.wait()


def find_problems(events, url):
    for event in events:
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.consoleAPICalled":
            yield "console: " + str([a.get("value") for a in params["args"]])
        elif method == "Runtime.exceptionThrown":
            yield "exception: " + params["exceptionDetails"]["text"]
        elif method == "Log.entryAdded":
            yield "log: " + params["entry"]["text"]
        elif method == "Network.requestWillBeSent":
            target = params["request"]["url"]
            if target != url and not target.startswith("data:"):
                yield "request: " + target[:100]


def open_page(browser, url, width, height, mobile, scheme, scripts):
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
    browser.call("Emulation.setEmulatedMedia", features=[dict(name="prefers-color-scheme", value=scheme)])
    browser.call("Emulation.setScriptExecutionDisabled", value=not scripts)
    browser.events = []
    start = time.monotonic()
    browser.call("Page.navigate", url=url)
    browser.wait("Page.loadEventFired")
    return time.monotonic() - start


def evaluate(browser, expression):
    return browser.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"]["value"]


class Screenshots:
    def __init__(self, folder, section, image_format):
        self.folder, self.section, self.format = folder, section, image_format

    def take(self, browser, width, height, scheme):
        page_height = browser.call("Page.getLayoutMetrics")["cssContentSize"]["height"]
        top, shown = 0, min(page_height, 16000)
        if self.section:
            # The rule above a section belongs to the previous one.
            top = evaluate(browser, "document.getElementById(%s).getBoundingClientRect().top + scrollY + 2" % json.dumps(self.section))
            shown = min(height, page_height - top)
        image = browser.call("Page.captureScreenshot", format=self.format, captureBeyondViewport=True,
                             clip=dict(x=0, y=top, width=width, height=shown, scale=1),
                             **({} if self.format == "png" else {"quality": 80}))
        name = "%d_%s%s.%s" % (width, scheme, "_" + self.section if self.section else "", self.format)
        (self.folder / name).write_bytes(base64.b64decode(image["data"]))


def check(browser, page, screenshots):
    url = page.resolve().as_uri()
    wrong = []
    for width, height, mobile in SIZES:
        for scheme in ("light", "dark"):
            seconds = open_page(browser, url, width, height, mobile, scheme, True)
            found = list(find_problems(browser.events, url)) + evaluate(browser, CHECK.replace("WIDTH", str(width)))
            if seconds > SECONDS:
                found.append("loaded in %.1f s" % seconds)
            wrong += ["%s: %d px, %s: %s" % (page.name, width, scheme, text) for text in found]
            print("%s: %d px, %s: loaded in %.2f s, %d problems" % (page.name, width, scheme, seconds, len(found)))
            if screenshots:
                screenshots.take(browser, width, height, scheme)
    text = "document.body.innerText.replace(/\\s+/g,' ').length"
    with_scripts = evaluate(browser, text)
    open_page(browser, url, *SIZES[0], "light", False)
    without = evaluate(browser, text)
    if without < .95 * with_scripts:
        wrong.append("%s: without scripts %d of %d characters are left" % (page.name, without, with_scripts))
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=pathlib.Path, nargs="+", metavar="PAGE")
    parser.add_argument("--screenshots", type=pathlib.Path)
    parser.add_argument("--section", default="")
    parser.add_argument("--format", default="png", choices=["png", "webp", "jpeg"])
    arguments = parser.parse_args()
    screenshots = None
    if arguments.screenshots:
        if len(arguments.pages) > 1:
            parser.error("--screenshots takes one page")
        arguments.screenshots.mkdir(parents=True, exist_ok=True)
        screenshots = Screenshots(arguments.screenshots, arguments.section, arguments.format)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            wrong = [text for page in arguments.pages for text in check(browser, page, screenshots)]
        finally:
            browser.close()
    for text in wrong[:40]:
        print(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
