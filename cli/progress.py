"""Renderers of `catalog.progress.Step`: bars on a terminal, lines elsewhere, JSON lines for programs; all on stderr.

A renderer limits the rate of its output: operations report as often as they like, from any thread. Bars need rich, which is
imported when the first bytes are counted.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from catalog.progress import Progress, Step, silent
from cli.output import draws, has_colour, paint
from cli.quantities import format_count, format_size
from cli.streams import write_error
from cli.text import escape, redact

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from cli.context import Options

LINE_INTERVAL = 5.0  # seconds between two plain lines about the same total
JSON_INTERVAL = 0.25  # seconds between two JSON lines about the same bytes
# The words for a step's figures in bytes; any other figure counts the things that it is named after.
_SIZES = {"stored": "stored", "present": "already here", "fetched": "fetched", "delta": "by delta", "new_bytes": "new"}


@contextmanager
def open_progress(options: "Options | None") -> Iterator[Progress]:
    """Yield the renderer that the options ask for, and remove its bars at the end; None shows nothing."""
    if options is None:
        yield silent
        return
    mode = options.progress
    if mode == "auto":
        mode = "json" if options.json else "none" if options.quiet else "bars" if draws(sys.stderr) else "plain"
    renderer: Renderer
    if mode == "json":
        renderer = JsonLines()
    elif mode == "bars":
        renderer = BarLines()
    else:
        renderer = Lines() if mode == "plain" else Warnings(as_json=options.json)
    try:
        yield Detailed(renderer, shown=options.debug)
    finally:
        renderer.close()


class Renderer(Protocol):
    """A progress callback that can be ended."""

    def __call__(self, step: Step) -> None: ...

    def close(self) -> None:
        """Remove what may be removed."""
        ...


class Detailed:
    """Show how things are done as notes, with ``--debug``; else leave that out."""

    def __init__(self, renderer: Renderer, *, shown: bool) -> None:
        self._renderer = renderer
        self._shown = shown

    def __call__(self, step: Step) -> None:
        if step.kind != "detail":
            self._renderer(step)
        elif self._shown:
            self._renderer(replace(step, kind="note"))

    def close(self) -> None:
        self._renderer.close()


def name_of(step: Step) -> str:
    """Return the label of a step, to go before `describe`."""
    return "" if any(name == "of_blocks" for name, _ in step.figures) else f"{escape(redact(step.label))}  "


def describe(step: Step) -> str:
    """Return a step's bytes and figures as one line without its label; for a delta, with it."""
    figures = dict(step.figures)
    if "of_blocks" in figures:  # a delta replaced them
        return f"{format_size(step.done)} {escape(redact(step.label))} ({format_size(figures['of_blocks'])} of blocks)"
    parts = [f"{format_size(step.done)} of {format_size(step.of)}" if step.of not in {None, step.done} else format_size(step.done)]
    for name, value in step.figures:
        if value:
            parts.append(
                f"{format_size(value)} {_SIZES[name]}"
                if name in _SIZES
                else format_count(value, name.rstrip("s").replace("_", " "))
            )
    return ", ".join(parts)


class Warnings:
    """Show warnings only."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json

    def __call__(self, step: Step) -> None:
        if step.kind == "warning":
            _say(json.dumps({"type": "warning", "message": redact(step.label)}) if self._as_json else _warning(step))

    def close(self) -> None:
        """Do nothing: there is nothing to remove."""


class JsonLines:
    """Show one JSON object a line, with ``type``."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last: dict[str, float] = {}

    def __call__(self, step: Step) -> None:
        now = time.monotonic()
        with self._lock:
            if step.kind in {"part", "total"} and step.done != step.of:
                if now - self._last.get(step.kind + step.label, -JSON_INTERVAL) < JSON_INTERVAL:
                    return
                self._last[step.kind + step.label] = now
            line: dict[str, Any] = {"type": step.kind}
            line["message" if step.kind in {"note", "warning"} else "label"] = redact(step.label)
            if step.kind in {"part", "total"}:
                line |= {"done": step.done, "of": step.of} | dict(step.figures)
            _say(json.dumps(line))

    def close(self) -> None:
        """Do nothing: there is nothing to remove."""


class Lines:
    """Show a line for each step, and from time to time one for the total."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last = time.monotonic()
        self._done: set[str] = set()

    def __call__(self, step: Step) -> None:
        with self._lock:
            label = escape(redact(step.label))
            if step.kind in {"phase", "note"}:
                _say(label)
                self._last = time.monotonic()
            elif step.kind == "warning":
                _say(_warning(step))
            elif step.done == step.of:
                if step.kind + label not in self._done:
                    self._done.add(step.kind + label)
                    _say(f"  {name_of(step)}{describe(step)}")
            elif step.kind == "total" and time.monotonic() - self._last >= LINE_INTERVAL:
                self._last = time.monotonic()
                share = f"{100 * step.done // step.of} %  " if step.of else ""
                _say(f"  {label}  {share}{describe(step)}")

    def close(self) -> None:
        """Do nothing: there is nothing to remove."""


class BarLines:
    """Show a bar for each part and for the total, drawn by rich; the total's last state stays as a line."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._total: Step | None = None
        self._started = time.monotonic()

    def __call__(self, step: Step) -> None:
        with self._lock:
            if step.kind == "warning":
                self._say(_warning(step))
            elif step.kind == "note":
                self._say(escape(redact(step.label)))
            elif step.kind == "phase":
                self._end_bars()
                self._say(escape(redact(step.label)))
                self._started = time.monotonic()
            else:
                self._count(step)

    def close(self) -> None:
        """Remove the bars, leave the total."""
        with self._lock:
            self._end_bars()

    def _count(self, step: Step) -> None:
        if step.kind == "total":
            self._total = step
        bars = self._bars or self._start_bars()
        name = step.kind + step.label
        if name not in self._tasks:
            self._tasks[name] = bars.add_task("  " + escape(redact(step.label))[:40], total=step.of)
        bars.update(self._tasks[name], completed=step.done, total=step.of)
        if step.kind == "part" and step.done == step.of and len(self._tasks) > 12:
            bars.update(self._tasks[name], visible=False)

    def _start_bars(self) -> "Bars":
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

        console = Console(file=sys.stderr, no_color=not has_colour(sys.stderr), highlight=False, markup=False, emoji=False)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            DownloadColumn(),
            TransferSpeedColumn(),
            BarColumn(bar_width=30),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            refresh_per_second=8,
        )
        self._bars.start()
        return self._bars

    def _end_bars(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks.clear()
        if self._total is not None:
            seconds = max(time.monotonic() - self._started, 0.001)
            rate = f"  {format_size(int(self._total.done / seconds))}/s" if self._total.done else ""
            _say(f"  {name_of(self._total)}{describe(self._total)}{rate}")
            self._total = None

    def _say(self, line: str) -> None:
        if self._bars is None:
            _say(line)
            return
        self._bars.stop()
        _say(line)
        self._bars.start()


def _warning(step: Step) -> str:
    return f"{paint('warning:', '33', sys.stderr)} {escape(redact(step.label))}"


def _say(line: str) -> None:
    write_error(line + "\n")
