"""The page of psctl report in a browser without a window: every tab is opened, everything that can be pressed is
pressed, no part is empty, no text leaves its box or covers another, nothing is loaded and nothing is complained of.

    page_test.py PSCTL        (needs Debian's chromium, chromium-driver and python3-selenium)
"""

import base64
import csv
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

PSCTL = sys.argv[1]
WIDE, NARROW = (1300, 1000), (640, 900)
EVIL = "</script><img src=x onerror=alert(1)>&amp;{{data}}"

# Text of charts that is wider than its picture or covers other text; text of the page that does not fit its box.
MISPLACED = r"""
const faults = [];
const shown = (node) => node.getClientRects().length > 0;
for (const chart of document.querySelectorAll("svg.chart")) {
  if (!shown(chart)) continue;
  const frame = chart.getBoundingClientRect();
  const texts = [...chart.querySelectorAll("text")].filter((text) => text.textContent).map((text) => [text, text.getBoundingClientRect()]);
  for (const [text, box] of texts)
    if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
      faults.push(`${chart.getAttribute("aria-label")}: "${text.firstChild.data}" leaves the picture`);
  texts.forEach(([a, p], i) => texts.slice(i + 1).forEach(([b, q]) => {
    if (Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 3)
      faults.push(`${chart.getAttribute("aria-label")}: "${a.firstChild.data}" covers "${b.firstChild.data}"`);
  }));
}
for (const node of document.querySelectorAll("button, h1, h2, h3, p, th, td, li, .control, .parts span, #tip.shown"))
  if (shown(node) && node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0 && getComputedStyle(node).display !== "inline") faults.push(`"${node.textContent.slice(0, 60)}" does not fit`);
if (document.documentElement.scrollWidth > window.innerWidth + 1) faults.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${window.innerWidth}`);
return faults;
"""
# The least contrast of a text with what is behind it, by the formula of the WCAG; cells of pictures included.
LEAST_CONTRAST = r"""
const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
const rgb = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
const light = ([r, g, b]) => { const f = (c) => (c /= 255, c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
const behind = (node) => { for (; node; node = node.parentElement) { const c = getComputedStyle(node).backgroundColor; if (rgb(c)[3] === 255) return c; } return "white"; };
let least = [99, ""];
for (const node of document.querySelectorAll("svg.chart text, p, button, th, td, li, h1, h2, .control span")) {
  if (!node.getClientRects().length || !node.textContent.trim() || node.getAttribute("aria-pressed") === "false") continue;
  const svg = node instanceof SVGElement;
  const cell = svg && node.classList.contains("value") ? node.previousElementSibling : null;
  const back = cell ? getComputedStyle(cell).fill : behind(svg ? node.closest("svg").parentElement : node);
  const [a, b] = [light(rgb(svg ? getComputedStyle(node).fill : getComputedStyle(node).color)), light(rgb(back))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < least[0]) least = [contrast, node.textContent.slice(0, 40)];
}
return least;
"""


def run(*arguments, code=0):
    ended = subprocess.run([PSCTL, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert ended.returncode == code, f"{arguments}: exit code {ended.returncode}\n{ended.stderr}"
    return ended


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary_of(folder):
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def delay_of(summary):
    return summary["config"]["stragglers"][0]["delay_ms"]


def label_of(summary):
    """Where runs differ in it, the label tells the staleness, default or not."""
    return f"ssp(staleness={summary['config']['strategy.staleness']})" if summary["strategy"] == "ssp" else summary["strategy"]


def told(summary):
    return label_of(summary), delay_of(summary), summary["seed"]


class Runs:
    """A small sweep, the same with runs that did not do well, a timing-only run, and one whose texts try to get out of
    their place."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        config = self.folder / "config.yaml"
        config.write_text("""name: trial
clock: virtual
model: {kind: logistic}
data: {source: fashion-mnist, batch_size: 32, train_limit: 1200}
optimizer: {kind: sgd, learning_rate: 0.05}
strategy: bsp
cluster: {workers: 3, compute_ms: [20, 25, 30]}
stragglers: [{workers: [2], kind: constant, delay_ms: 20}]
stop: {epochs: 2}
evaluate: {every_epochs: 0.25, target_accuracy: 0.7}
""", encoding="utf-8")
        self.sweep = self.folder / "sweep"
        for strategy in ("bsp", "ssp", "{name: ssp, staleness: 9}"):
            for delay in (20, 60):
                for seed in (1, 2):
                    run("train", "--config", config, "--out", self.sweep, "--quiet", f"strategy={strategy}", f"seed={seed}", f"stragglers.0.delay_ms={delay}")
        self.odd = self.folder / "odd"
        run("train", "--config", config, "--out", self.odd, "--quiet", "model={kind: none}", "strategy=asp", "~stop.epochs", "stop.time_s=1")
        self.timed_page = self.folder / "timed.html"
        run("report", self.odd, "-o", self.timed_page, "--quiet")
        evil = self.odd / "evil"
        shutil.copytree(sorted(self.sweep.iterdir())[0], evil)
        summary = summary_of(evil)
        summary.update(strategy_label=EVIL, status="failed", error=EVIL, diverged=True, final_loss=None)
        summary["config"].update({"name": EVIL, "data.source": EVIL, "strategy.name": EVIL})
        (evil / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        (evil / "made.json").write_text(json.dumps({"host": EVIL, EVIL: EVIL}), encoding="utf-8")
        damaged = self.odd / "damaged"
        damaged.mkdir()
        (damaged / "summary.json").write_text("{", encoding="utf-8")
        # All reached the target, but of bsp one run that diverged and one that was interrupted.
        self.hurt = self.folder / "hurt"
        shutil.copytree(self.sweep, self.hurt)
        for folder in self.hurt.iterdir():
            summary = summary_of(folder)
            summary["time_to_target_s"] = summary["time_s"] / 2
            if summary["strategy"] == "bsp" and summary["seed"] == 2:
                harm = {"diverged": True} if delay_of(summary) == 20 else {"status": "interrupted", "time_s": 0.001}
                summary.update(time_to_target_s=None, **harm)
            (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        self.hurt_page = self.folder / "hurt.html"
        run("report", self.hurt, "-o", self.hurt_page, "--quiet")
        self.page = self.folder / "sweep.html"
        self.odd_page = self.folder / "odd.html"
        run("report", self.sweep, "-o", self.page, "--title", "A sweep & more", "--quiet")
        run("report", self.odd, "-o", self.odd_page, "--quiet")

    def folders(self):
        return sorted(self.sweep.iterdir())


def setUpModule():
    global RUNS, BROWSER, FOLDER
    FOLDER = tempfile.TemporaryDirectory(prefix="psctl-test-")
    RUNS = Runs(FOLDER.name)
    options = Options()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb", f"--user-data-dir={FOLDER.name}/profile"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    BROWSER = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


def tearDownModule():
    BROWSER.quit()
    FOLDER.cleanup()


class Page(unittest.TestCase):
    page = None

    def setUp(self):
        self.open(WIDE)

    def open(self, size):
        BROWSER.set_window_size(*size)
        BROWSER.get(f"file://{self.page or RUNS.page}")

    def tearDown(self):
        self.assertEqual([entry["message"] for entry in BROWSER.get_log("browser")], [])
        asked = [json.loads(entry["message"])["message"] for entry in BROWSER.get_log("performance")]
        urls = {message["params"]["request"]["url"].split("#")[0] for message in asked if message["method"] == "Network.requestWillBeSent" and message["params"]["documentURL"].startswith("file:")}
        self.assertTrue(urls, "the browser told of no request at all")
        for url in urls:
            self.assertTrue(url.startswith(("file:///", "data:,")), url)
            if url.startswith("file:"):
                self.assertIn(url, [f"file://{page}" for page in (RUNS.page, RUNS.odd_page, RUNS.hurt_page, RUNS.timed_page)])

    # ---- what is where

    def script(self, text, *arguments):
        return BROWSER.execute_script(text, *arguments)

    def settle(self):
        """Until the page has drawn what it was asked to."""
        BROWSER.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()));")

    def tabs(self):
        return [tab.get_attribute("id") for tab in BROWSER.find_elements(By.CSS_SELECTOR, "[role=tab]")]

    def tab(self, name):
        BROWSER.find_element(By.ID, f"tab-{name}").click()

    def panel(self, name):
        return BROWSER.find_element(By.ID, name)

    def marks(self, panel, kind):
        return self.script("return document.querySelectorAll(`#${arguments[0]} svg.chart .body ${arguments[1]}`).length", panel, kind)

    def labels(self, panel):
        return self.script("return [...document.querySelectorAll(`#${arguments[0]} svg.chart text.row title`)].map((title) => title.textContent)", panel)

    def choose(self, panel, label, text):
        for control in BROWSER.find_elements(By.CSS_SELECTOR, f"{panel} .control"):
            if control.find_element(By.TAG_NAME, "span").text == label:
                Select(control.find_element(By.TAG_NAME, "select")).select_by_visible_text(text)
                return
        self.fail(f"{panel} has no control {label}")

    def tip(self):
        return BROWSER.find_element(By.ID, "tip").text if "shown" in BROWSER.find_element(By.ID, "tip").get_attribute("class") else ""

    def hover(self, panel, x, y):
        """At a place of the panel's picture."""
        chart = self.panel(panel).find_element(By.CSS_SELECTOR, "svg.chart")
        self.script("arguments[0].scrollIntoView({block: 'center'})", chart)
        ActionChains(BROWSER).move_to_element_with_offset(chart, x - chart.size["width"] / 2, y - chart.size["height"] / 2).perform()

    def window_of_time(self):
        return [float(BROWSER.find_elements(By.CSS_SELECTOR, "#timeline input[type=number]")[i].get_attribute("value")) for i in range(2)]

    def column(self, panel, title):
        """The texts below a heading."""
        return self.script("""
            const table = document.querySelector(`#${arguments[0]} table`);
            const at = [...table.querySelectorAll("thead th")].findIndex((th) => th.textContent === arguments[1]);
            return [...table.querySelectorAll("tbody tr")].map((row) => row.children[at].textContent);""", panel, title)


class Sweep(Page):
    def test_every_part_has_a_picture_or_a_table_and_no_text_leaves_its_place_at_two_sizes(self):
        least = {"accuracy": ("path.line", 6), "target": (".reached, .censored", 12), "sweep": ("rect.cell", 6), "time": ("rect.bar", 12), "workers": ("rect.bar", 6),
                 "holds": ("rect.cell", 9), "staleness": ("rect.count", 6), "gap": ("rect.count", 6), "timeline": ("path.part", 2)}
        for size in (WIDE, NARROW):
            self.open(size)
            self.assertEqual(len(self.tabs()), 7)
            seen = set()
            for tab in self.tabs():
                BROWSER.find_element(By.ID, tab).click()
                self.settle()
                self.assertEqual(self.script(MISPLACED), [], f"{tab} at {size}")
                for panel in BROWSER.find_elements(By.CSS_SELECTOR, ".tab.shown .panel"):
                    name = panel.get_attribute("id")
                    seen.add(name)
                    picture = panel.find_element(By.CLASS_NAME, "picture")
                    self.assertGreater(picture.size["width"], size[0] * 0.7, name)
                    self.assertGreater(picture.size["height"], 60, name)
                    self.assertEqual(panel.find_elements(By.CLASS_NAME, "nothing"), [], name)
                    if name in least:
                        self.assertGreaterEqual(self.marks(name, least[name][0]), least[name][1], name)
                    else:
                        self.assertGreaterEqual(len(panel.find_elements(By.CSS_SELECTOR, "tbody tr")), 6, name)
            self.assertEqual(seen, set(least) | {"groups", "runs", "details"})

    def test_the_heading_counts_what_is_there(self):
        self.assertEqual(BROWSER.find_element(By.TAG_NAME, "h1").text, "A sweep & more")
        self.assertEqual(BROWSER.title, "A sweep & more")
        self.assertEqual(BROWSER.find_element(By.CLASS_NAME, "facts").text, "12 runs \u00b7 6 configurations \u00b7 2 seeds each \u00b7 virtual clock")

    def test_the_legend_switches_a_strategy_off_in_every_picture_and_on_again(self):
        toggles = BROWSER.find_elements(By.CSS_SELECTOR, ".legend button")
        self.assertEqual([toggle.text for toggle in toggles], ["bsp", "ssp(staleness=3)", "ssp(staleness=9)"])
        before = self.script("return document.querySelectorAll('#accuracy path.line').length")
        toggles[0].click()
        self.assertEqual(self.marks("accuracy", "path.line"), before - 2)
        self.assertEqual([label for label in self.labels("target") if label.startswith("bsp")], [])
        self.assertNotIn("bsp", self.column("groups", "strategy"))
        self.tab("sweep-tab")
        self.assertEqual(self.labels("sweep"), ["delay_ms 20", "delay_ms 60", "ssp(staleness=3)", "ssp(staleness=9)"])
        self.tab("staleness-tab")
        self.assertEqual(len(self.labels("staleness")), 4)
        for toggle in toggles[1:]:
            toggle.click()
        self.tab("overview")
        self.assertIn("switched off", self.panel("accuracy").text)
        for toggle in toggles:
            toggle.click()
        self.assertEqual(self.marks("accuracy", "path.line"), before)

    def test_a_point_of_an_axis_is_chosen_for_all_pictures(self):
        self.choose("nav", "stragglers.0.delay_ms", "60")
        self.assertEqual(self.marks("accuracy", "path.line"), 3)
        self.assertEqual(self.column("groups", "delay_ms"), ["60"] * 3)
        self.tab("time-tab")
        self.assertEqual(self.labels("time"), ["bsp", "ssp(staleness=3)", "ssp(staleness=9)"])

    def test_the_table_side_by_side_tells_the_means_of_the_summaries(self):
        expected = {}
        for folder in RUNS.folders():
            summary = summary_of(folder)
            expected.setdefault((label_of(summary), str(delay_of(summary))), []).append(summary)
        shown = zip(self.column("groups", "strategy"), self.column("groups", "delay_ms"), self.column("groups", "final accuracy"), self.column("groups", "waiting"))
        for strategy, delay, accuracy, waiting in shown:
            runs = expected.pop((strategy, delay))
            self.assertAlmostEqual(float(accuracy.split(" ")[0]), sum(run["final_accuracy"] for run in runs) / 2, delta=1e-4)
            self.assertAlmostEqual(float(waiting.split(" ")[0]), 100 * sum(run["wait_share"] for run in runs) / 2, delta=0.1)
        self.assertEqual(expected, {})

    def test_the_runs_are_sorted_by_any_column_and_filtered_by_words(self):
        self.tab("runs-tab")
        for title in ("seed", "final accuracy", "time, s", "strategy"):
            for down in (False, True):
                heading = [th for th in self.panel("runs").find_elements(By.CSS_SELECTOR, "thead th") if th.text.strip("\u25b2\u25bc ") == title][0]
                self.script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", heading)
                if heading.get_attribute("aria-sort") != ("descending" if down else "ascending"):
                    heading.find_element(By.TAG_NAME, "button").click()
                shown = self.column("runs", title)
                self.assertEqual(len(shown), 12)
                key = (lambda text: text) if title == "strategy" else (lambda text: float(text.split(" ")[0]))
                self.assertEqual([key(text) for text in shown], sorted(map(key, shown), reverse=down), title)
        box = self.panel("runs").find_element(By.CSS_SELECTOR, "input[type=search]")
        box.send_keys("ssp seed=2 delay_ms=20")
        self.assertEqual(self.column("runs", "seed"), ["2", "2"])
        self.assertEqual(self.column("runs", "delay_ms"), ["20", "20"])
        self.assertIn("2 runs of 12", self.panel("runs").text)

    def test_a_row_chooses_the_run_for_the_pictures_of_one_run(self):
        self.tab("runs-tab")
        row = self.panel("runs").find_elements(By.CSS_SELECTOR, "tbody tr")[7]
        path = row.get_attribute("title")
        row.click()
        self.assertEqual(len(BROWSER.find_elements(By.CSS_SELECTOR, "#runs tr.chosen")), 1)
        self.tab("run")
        self.assertEqual(self.panel("details").find_element(By.CLASS_NAME, "path").text, path)
        summary = summary_of(pathlib.Path(path))
        self.assertIn(summary["model_digest"], self.panel("details").text)
        names = [option.text for option in Select(BROWSER.find_element(By.CSS_SELECTOR, ".for-run select")).options]
        self.assertEqual(len(set(names)), 12)
        self.choose("nav", "run", names[0])
        self.assertNotEqual(self.panel("details").find_element(By.CLASS_NAME, "path").text, path)

    def test_the_pointer_tells_the_numbers_of_the_files(self):
        self.tab("time-tab")
        self.choose("nav", "run", "bsp, delay_ms 60, seed 1")
        folder = [folder for folder in RUNS.folders() if told(summary_of(folder)) == ("bsp", 60, 1)][0]
        workers = {row["worker"]: row for row in rows(folder / "workers.csv")}
        self.hover("workers", 100, 17)
        self.assertEqual(self.tip().split("\n")[:2], ["worker 0", f"compute: {float(workers['0']['compute_s']) / float(workers['0']['wall_s']) * 100:.3g} %"])
        held = dict(part.split(":") for part in workers["0"]["held_by"].split(";"))
        self.hover("holds", 84 + 72 * 2.5, 15)
        self.assertTrue(self.tip().startswith("worker 0 waited for worker 2"), self.tip())
        self.assertAlmostEqual(float(self.tip().split("\n")[1].split(" ")[0]), float(held["2"]), delta=1e-3 * float(held["2"]))

    def test_every_picture_can_be_read_by_the_arrow_keys(self):
        for tab, panel, words in (("overview", "accuracy", "test accuracy"), ("overview", "target", "target"), ("sweep-tab", "sweep", "final accuracy"), ("time-tab", "time", "%"),
                                  ("time-tab", "holds", "waited for"), ("staleness-tab", "staleness", "pushes"), ("staleness-tab", "gap", "pushes")):
            self.tab(tab)
            chart = self.panel(panel).find_element(By.CSS_SELECTOR, "svg.chart")
            chart.send_keys(Keys.ARROW_RIGHT)
            first = self.tip()
            chart.send_keys(Keys.ARROW_RIGHT)
            self.assertIn(words, self.tip(), panel)
            self.assertNotEqual(self.tip(), first, panel)
            chart.send_keys(Keys.ARROW_LEFT)
            self.assertEqual(self.tip(), first, panel)
            chart.send_keys(Keys.ESCAPE)
            self.assertEqual(self.tip(), "")
        BROWSER.find_element(By.ID, "tab-staleness-tab").send_keys(Keys.ARROW_RIGHT)
        self.assertEqual(self.script("return document.activeElement.id"), "tab-timeline-tab")
        self.assertTrue(self.panel("timeline").is_displayed())

    def test_the_timeline_is_zoomed_and_moved_by_buttons_keys_wheel_pointer_and_numbers(self):
        self.tab("timeline-tab")
        whole = self.window_of_time()
        press = lambda label: self.panel("timeline").find_element(By.CSS_SELECTOR, f"button[aria-label='{label}']").click()
        length = lambda: self.window_of_time()[1] - self.window_of_time()[0]
        press("zoom in")
        self.assertAlmostEqual(length(), whole[1] / 2, delta=1e-3)
        press("later")
        self.assertAlmostEqual(self.window_of_time()[1], whole[1], delta=1e-3)
        press("earlier")
        self.assertAlmostEqual(self.window_of_time()[0], whole[1] / 4, delta=1e-3)
        press("zoom out")
        self.assertEqual(self.window_of_time(), whole)
        chart = lambda: self.panel("timeline").find_element(By.CSS_SELECTOR, "svg.chart")
        for key, expected in (("+", whole[1] / 2), ("+", whole[1] / 4), ("-", whole[1] / 2), (Keys.ARROW_RIGHT, whole[1] / 2), ("0", whole[1])):
            chart().send_keys(key)
            self.assertAlmostEqual(length(), expected, delta=1e-3)
        self.script("arguments[0].dispatchEvent(new WheelEvent('wheel', {deltaY: -100, ctrlKey: true, bubbles: true, cancelable: true, clientX: 500, clientY: 300}))", chart())
        self.assertAlmostEqual(length(), whole[1] * 0.8, delta=1e-3)
        before = self.window_of_time()
        ActionChains(BROWSER).drag_and_drop_by_offset(chart(), -120, 0).perform()
        self.assertGreater(self.window_of_time()[0], before[0])
        self.assertAlmostEqual(length(), whole[1] * 0.8, delta=1e-3)
        ActionChains(BROWSER).double_click(chart()).perform()
        self.assertEqual(self.window_of_time(), whole)
        # One step of a known worker fills the window: its parts are those of the file.
        folder = RUNS.folders()[0]
        step = [row for row in rows(folder / "steps.csv") if row["worker"] == "0"][4]
        begin = float(step["time_s"]) - float(step["compute_s"])
        for place, value in ((0, begin + 0.001), (1, float(step["time_s"]) + float(step["wait_s"]) - 0.001)):
            box = BROWSER.find_elements(By.CSS_SELECTOR, "#timeline input[type=number]")[place]
            self.script("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))", box, value)
        self.hover("timeline", 120, 8 + 12)
        self.assertIn(f"step {step['step']}", self.tip())
        self.assertIn(f"compute {float(step['compute_s']) * 1e3:g} ms", self.tip())
        self.assertIn(f"held by the strategy {float(step['wait_s']) * 1e3:g} ms", self.tip())
        self.choose("#timeline", "worker", "2")
        self.assertEqual(self.labels("timeline"), ["worker 2"])

    def test_curves_are_drawn_over_what_is_asked_for(self):
        ends = {}
        for over in ("epochs", "samples", "updates", "time, s"):
            self.choose("#accuracy", "over", over)
            self.assertEqual(self.marks("accuracy", "path.line"), 6)
            ends[over] = self.script("return [...document.querySelectorAll('#accuracy .grid text')].map((text) => text.textContent).join(' ')")
        self.assertEqual(len(set(ends.values())), 4)
        chart = self.panel("accuracy").find_element(By.CSS_SELECTOR, "svg.chart")
        self.script("arguments[0].scrollIntoView({block: 'center'})", chart)
        ActionChains(BROWSER).move_to_element_with_offset(chart, -200, 0).click_and_hold().move_by_offset(150, 10).release().perform()
        text = lambda: self.script("return [...document.querySelectorAll('#accuracy .grid text')].map((text) => text.textContent).join(' ')")
        self.assertNotEqual(text(), ends["time, s"])
        self.assertEqual(self.script(MISPLACED), [])
        self.panel("accuracy").find_element(By.CSS_SELECTOR, "button[title='all of it']").click()
        self.assertEqual(text(), ends["time, s"])
        self.choose("#accuracy", "of", "test loss")
        self.assertIn("test loss", self.script("return document.querySelector('#accuracy svg').textContent"))
        self.assertEqual(self.script(MISPLACED), [])

    def test_a_sweep_is_shown_by_any_measure_over_any_axes(self):
        self.tab("sweep-tab")
        for measure in ("time to target (median)", "share of waiting", "mean staleness", "updates"):
            self.choose("#sweep", "measure", measure)
            self.assertEqual(self.marks("sweep", "rect.cell"), 6)
            self.assertEqual(self.script(MISPLACED), [])
        self.choose("#sweep", "rows", "stragglers.0.delay_ms")
        self.choose("#sweep", "columns", "strategy")
        self.assertEqual(self.labels("sweep"), ["bsp", "ssp(staleness=3)", "ssp(staleness=9)", "delay_ms 20", "delay_ms 60"])

    def test_text_can_be_read_on_light_and_on_dark(self):
        for theme in ("light", "dark"):
            for tab in self.tabs():
                self.script("document.documentElement.dataset.theme = arguments[0]", theme)
                BROWSER.find_element(By.ID, tab).click()
                contrast, text = self.script(LEAST_CONTRAST)
                self.assertGreaterEqual(contrast, 4.5, f"{theme}, {tab}: {text}")
        self.open(WIDE)
        before = self.script("return getComputedStyle(document.body).backgroundColor")
        BROWSER.find_element(By.ID, "theme").click()
        self.assertNotEqual(self.script("return getComputedStyle(document.body).backgroundColor"), before)

    def test_on_paper_all_parts_stand_below_each_other(self):
        pdf = base64.b64decode(BROWSER.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})["data"])
        self.assertTrue(pdf.startswith(b"%PDF"))
        self.assertGreater(pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page "), 3)


    def test_what_is_printed_is_as_wide_as_the_paper(self):
        self.script("window.dispatchEvent(new Event('beforeprint'))")
        self.settle()
        charts = self.script("return [...document.querySelectorAll('svg.chart')].map((chart) => chart.clientWidth)")
        self.assertGreaterEqual(len(charts), 8)
        self.assertLessEqual(max(charts), 700)
        self.assertEqual(self.script(MISPLACED), [])
        self.script("window.dispatchEvent(new Event('afterprint'))")


class Hurt(Page):
    def setUp(self):
        self.page = RUNS.hurt_page
        super().setUp()

    def test_a_run_without_an_end_or_that_diverged_is_a_line_of_its_own_and_in_no_mean(self):
        self.assertEqual(self.marks("accuracy", "path.line"), 8)
        self.assertEqual(self.marks("accuracy", "path.line.alone"), 2)
        self.assertEqual(self.marks("accuracy", "path.cut"), 2)
        row = dict(zip(zip(self.column("groups", "strategy"), self.column("groups", "delay_ms")),
                       zip(self.column("groups", "seeds"), self.column("groups", "time, s"), self.column("groups", "final accuracy"))))
        seen = {delay_of(summary): summary for summary in map(summary_of, RUNS.folders()) if told(summary)[::2] == ("bsp", 1)}
        self.assertEqual(row["bsp", "60"][0], "1 of 2")
        self.assertAlmostEqual(float(row["bsp", "60"][1].split(" ")[0]), seen[60]["time_s"], delta=1e-3)
        self.assertAlmostEqual(float(row["bsp", "20"][2].split(" ")[0]), (seen[20]["final_accuracy"] + 0.1) / 2, delta=1e-4)

    def test_a_median_that_is_not_known_is_not_told(self):
        # Of six groups one median is not known; of the run that was interrupted nothing counts.
        self.assertEqual(self.marks("target", "line.median"), 5)
        row = dict(zip(zip(self.column("groups", "strategy"), self.column("groups", "delay_ms")), self.column("groups", "time to target, s")))
        self.assertEqual(row["bsp", "20"], "not known (1 of 2)")
        self.assertTrue(all(float(time) > 0 for (strategy, delay), time in row.items() if (strategy, delay) != ("bsp", "20")), row)


class Timed(Page):
    def setUp(self):
        self.page = RUNS.timed_page
        super().setUp()

    def test_of_runs_that_train_no_model_there_is_no_picture_of_learning(self):
        for tab in self.tabs():
            BROWSER.find_element(By.ID, tab).click()
            self.assertEqual([panel.text for panel in BROWSER.find_elements(By.CSS_SELECTOR, ".tab.shown .panel") if panel.find_elements(By.CLASS_NAME, "nothing") and panel.get_attribute("id") not in ("holds",)], [])
        self.assertEqual(BROWSER.find_elements(By.CSS_SELECTOR, "#accuracy, #target"), [])
        self.assertNotEqual(self.column("groups", "time, s"), [])


class Odd(Page):
    def setUp(self):
        self.page = RUNS.odd_page
        super().setUp()

    def test_text_of_a_run_is_text_and_never_markup(self):
        self.assertEqual(self.script("return document.images.length"), 0)
        for tab in self.tabs():
            BROWSER.find_element(By.ID, tab).click()
            self.assertEqual(self.script(MISPLACED), [], tab)
        self.assertIn(EVIL, [toggle.text for toggle in BROWSER.find_elements(By.CSS_SELECTOR, ".legend button")])
        self.tab("runs-tab")
        [row for row in self.panel("runs").find_elements(By.CSS_SELECTOR, "tbody tr") if "evil" in row.get_attribute("title")][0].click()
        self.tab("run")
        self.assertGreaterEqual(self.panel("details").text.count(EVIL), 5)
        self.assertEqual(self.script("return document.images.length"), 0)

    def test_what_is_not_as_it_should_be_is_told_first(self):
        told = BROWSER.find_element(By.CSS_SELECTOR, ".notices").text
        self.assertIn("damaged", told)
        self.assertIn("failed: 1 run", told)
        self.assertIn("diverged: 1 run", told)
        BROWSER.find_elements(By.CSS_SELECTOR, ".notices a")[0].click()
        self.assertTrue(self.panel("details").is_displayed())

    def test_a_run_without_evaluations_says_so_and_shows_the_rest(self):
        [toggle for toggle in BROWSER.find_elements(By.CSS_SELECTOR, ".legend button") if toggle.text == EVIL][0].click()
        self.assertIn("no evaluations", self.panel("accuracy").text)
        self.tab("staleness-tab")
        self.assertGreater(self.marks("staleness", "rect.count"), 0)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
