"""`%check` as a student sees it: in JupyterLab, light and dark, in a saved page, and in narrow and foreign places."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nbconvert import HTMLExporter

from grader.report.words import OUTCOMES
from grader.selfcheck.card import Card
from tests.browser import Browser, find_chromium
from tests.test_report import attention

EXPORTER: Any = HTMLExporter  # has no types
# What the browser may reach: this machine.
LOCAL = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
QUIET = {  # a server that asks nobody for news, updates or extensions, on a free port
    "ServerApp": {"ip": "127.0.0.1", "port": 0, "port_retries": 0, "open_browser": False, "allow_root": True},
    "LabApp": {
        "expose_app_in_browser": True,
        "extension_manager": "readonly",
        "check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "news_url": None,
    },
}
SETTINGS = {"notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}}
START = 60.0  # seconds for the server

# For each piece of text in the card: its contrast with what lies behind it, and whether it is on top where it stands.
SEEN = """
(() => {
  const rgb = c => { const n = c.match(/[\\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1]; };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const card = [...document.querySelectorAll('.torchgrade')].pop(), found = [];
  const words = document.createTreeWalker(card, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const node = words.currentNode, element = node.parentElement;
    if (!node.data.trim() || element.closest('style, svg')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getClientRects()[0];
    let back = [255, 255, 255, 1], opacity = 1;
    const line = [];
    for (let e = element; e; e = e.parentElement) { line.unshift(e); opacity *= getComputedStyle(e).opacity; }
    for (const e of line) back = over(rgb(getComputedStyle(e).backgroundColor), back);
    const ink = rgb(getComputedStyle(element).color);
    const [a, b] = [light(over([...ink.slice(0, 3), ink[3] * opacity], back)), light(back)];
    const top = box && document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    found.push({text: node.data.trim(), contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05),
                seen: !!top && (top === element || element.contains(top) || top.contains(element)) });
  }
  return found;
})()
"""
MAPS = "[...document.querySelectorAll('.torchgrade svg.map')].map(e => e.getBoundingClientRect()).map(r => [r.width, r.height])"  # noqa: E501  # one expression
OUTSIDE = "[...document.querySelectorAll('.torchgrade, .torchgrade *')].filter(e => e.getClientRects().length && e.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5).map(e => e.outerHTML.slice(0, 80))"  # noqa: E501  # one expression


@pytest.fixture(scope="module")
def chromium() -> str:
    """Where the browser is."""
    found = find_chromium()
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium: install the package `chromium` on this machine")
        pytest.skip("no Chromium on this machine")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser for all tests of this file."""
    with Browser(chromium, LOCAL) as started:
        yield started


@pytest.fixture(scope="module")
def homework(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A student's folder, and in it a notebook whose attention forgets to divide the scores."""
    course = tmp_path_factory.mktemp("course")
    shutil.copytree(root / "assignments" / "attention", course / "assignments" / "attention")
    (course / "fixtures" / "attention").mkdir(parents=True)
    for name in ("public.safetensors", "recorded.safetensors"):
        shutil.copy(root / "fixtures" / "attention" / name, course / "fixtures" / "attention")
    right = (root / "solutions" / "attention" / "attention.py").read_text(encoding="utf-8")
    wrong = right.replace(" / q.size(-1) ** 0.5", "")
    assert wrong != right
    parts = [part.strip() for part in wrong.split("# %%") if not part.startswith(" [markdown]")]
    cells = [*filter(None, parts), "%load_ext grader", "%check"]
    code: list[dict[str, object]] = [
        {"cell_type": "code", "id": f"c{n}", "source": cell, "outputs": [], "execution_count": None, "metadata": {}}
        for n, cell in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = course / "assignments" / "attention" / "attention.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": code}))
    return path


@pytest.fixture(scope="module")
def lab(homework: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the notebook in a JupyterLab of its own."""
    home, token = tmp_path_factory.mktemp("jupyter"), secrets.token_hex(16)
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    for name, values in SETTINGS.items():
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
    config = QUIET | {"IdentityProvider": {"token": token}}
    (home / "config").mkdir()
    (home / "config" / "jupyter_lab_config.json").write_text(json.dumps(config))
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(home), "IPYTHONDIR": str(home / "ipython")}
    for name in ("config", "data", "runtime"):
        environment[f"JUPYTER_{name.upper()}_DIR"] = str(home / name)
    for name in ("settings", "workspaces"):
        environment[f"JUPYTERLAB_{name.upper()}_DIR"] = str(home / name)
    with (home / "log").open("wb") as log:
        command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={homework.parent}"]
        server = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START
        while not (found := list((home / "runtime").glob("jpserver-*.json"))):
            assert server.poll() is None, (home / "log").read_text()
            assert time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.05)
        time.sleep(0.1)  # until it is written
        yield f"{json.loads(found[0].read_text())['url']}lab/tree/{homework.name}?token={token}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def looks_right(browser: Browser) -> None:
    """The table, the hint and the heat maps are on top, large enough, and stand out from what lies behind them."""
    pieces = browser.run(SEEN)
    assert [p["text"] for p in pieces if not p["seen"]] == []
    assert [(p["text"], p["contrast"]) for p in pieces if p["contrast"] < 4.5] == []
    words = " ".join(" ".join(piece["text"] for piece in pieces).split())
    assert "Attention : 6.5 of 10 points in the public checks" in words
    assert "Not passed yet The weights are the softmax of the scaled scores. 0 of 1.5" in words
    assert "every value differs" in words
    assert "Hint. Work the handout's example through by hand" in words
    assert "Yours" in words
    assert "Expected" in words
    assert "Difference" in words
    sizes = browser.run(MAPS)
    assert len(sizes) >= 3
    assert min(min(size) for size in sizes) > 60
    assert browser.run(OUTSIDE) == []


@pytest.mark.slow
def test_check_in_jupyterlab(browser: Browser, lab: str, homework: Path, tmp_path: Path) -> None:
    command = "window.jupyterapp.commands.execute"
    browser.visit(lab, width=1200, height=4000)
    browser.wait("window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status == 'idle'")
    browser.run(f"void {command}('notebook:run-all-cells')")
    browser.wait("!!document.querySelector('.jp-OutputArea-output .torchgrade')")
    looks_right(browser)
    browser.picture(tmp_path / "light.png")
    browser.run(f"{command}('apputils:change-theme', {{theme: 'JupyterLab Dark'}})")
    browser.wait("document.body.dataset.jpThemeLight == 'false' && !document.getElementById('jupyterlab-splash')")
    looks_right(browser)
    browser.picture(tmp_path / "dark.png")
    assert [
        c for c in browser.complaints if c.startswith("asked for") and "//127.0.0.1:" not in c and "blob:" not in c
    ] == []
    browser.run(f"{command}('docmanager:save')")
    outputs = json.loads(homework.read_text(encoding="utf-8"))["cells"][-1]["outputs"]
    assert [set(output["data"]) for output in outputs] == [{"text/html", "text/plain"}]
    elsewhere = dict.fromkeys(("require_js_url", "mathjax_url", "jquery_url"), "")  # its page would load these
    page, _ = EXPORTER(**elsewhere).from_filename(str(homework))
    (tmp_path / "saved.html").write_text(page, encoding="utf-8")
    browser.open(tmp_path / "saved.html", height=4000)
    looks_right(browser)
    browser.picture(tmp_path / "saved.png")
    browser.visit("about:blank")


# What front ends put around an output: their colours, and rules of theirs that reach into it.
PLACES = {
    "vscode-dark": "body { background: #1f1f1f; color: #cccccc; font: 13px sans-serif; } table { border-collapse: collapse; } th, td { text-align: right; }",  # noqa: E501
    "vscode-light": "body { background: #ffffff; color: #3b3b3b; font: 13px sans-serif; }",
    "colab-dark": "body { background: #383838; color: #d5d5d5; font: 14px Roboto, sans-serif; }",
    "classic": "body { background: #fff; color: #000; } .panel { background: #fff; border: 1px solid #ddd; margin-bottom: 20px; box-shadow: 0 1px #000; } .badge { color: #fff; background: #777; border-radius: 10px; } h4 { margin: 10px 0; } .rendered_html td { text-align: right; max-width: none; white-space: nowrap; } code { color: #c7254e; background: #f9f2f4; }",  # noqa: E501
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("width", [320, 900])
def test_the_card_fits_every_front_end(browser: Browser, tmp_path: Path, place: str, width: int) -> None:
    long = attention(notes=("a_very_long_name_without_any_blank_" * 5,))
    card = Card("Attention", replace(long, score=3.5), 40.0).html()
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><style>{PLACES[place]}</style>"
    page = f"<!doctype html>{head}<div class=rendered_html>{card}</div>"
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    browser.open(tmp_path / "page.html", width=width, height=6000)
    pieces = browser.run(SEEN)
    assert len(pieces) > 30
    assert [p for p in pieces if not p["seen"] or p["contrast"] < 4.5] == []
    assert browser.run(OUTSIDE) == []
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.complaints == []
    assert {outcome.label for outcome in OUTCOMES.values()} <= {piece["text"] for piece in pieces}
    browser.picture(tmp_path / f"{place}-{width}.png")
