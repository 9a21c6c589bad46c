// Draws the views of a page from the JSON beside it. Text only ever enters the document as text nodes.
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("loupe-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const tip = d3.select("#loupe-tip");
  const LETTER = 6.6;          // width of a letter of 11 px
  const FEW_CELLS = 2500;      // up to so many cells are rectangles, more are one image
  const FEW_PANELS = 64;       // up to so many panels have thumbnails, more a map to choose from
  const number = d3.format(".4~g");
  const show = value => (value === null ? "no value" : number(value));
  const clamp = (low, value, high) => Math.max(low, Math.min(high, value));
  const most = (list, f = x => x) => list.reduce((best, x) => Math.max(best, f(x)), 0);
  const longest = labels => most(labels, label => label.length);
  const clip = (text, letters) => (text.length > letters ? `${text.slice(0, Math.max(1, letters - 1))}…` : text);

  // Colours of the page on the screen, and of pictures for papers.
  const screen = {ink: "var(--ink)", faint: "var(--faint)", page: "var(--page)", empty: "var(--raise)",
    line: "var(--line)", dark: () => dark.matches};
  const paper = {ink: "#1b1b1f", faint: "#6b6b75", page: "#fff", empty: "#e4e4e8", line: "#d8d8df", dark: () => false};

  // What the reader chose: a layer, a head, panels, pinned queries. Null means all.
  const filter = {layer: null, head: null};
  const chosenPanels = new Map();
  const pinnedQueries = new Map();
  let headListeners = [];

  // A label under the pointer; one that stands in several places is told apart by its index.
  const labelled = (labels, i) =>
    labels.indexOf(labels[i]) === labels.lastIndexOf(labels[i]) ? labels[i] : `${labels[i]} (${i})`;

  // Colour of a number: straight lines between the scale's colours, as in the pictures that Java writes.
  function colors(scale, theme = screen) {
    const color = d3.piecewise(d3.interpolateRgb, theme.dark() ? scale.dark : scale.light);
    const [low, high] = scale.domain;
    return value => (value === null ? "none" : color(clamp(0, (value - low) / (high - low), 1)));
  }

  function ink(background) {
    const c = d3.rgb(background);
    return 0.299 * c.r + 0.587 * c.g + 0.114 * c.b > 140 ? "#000" : "#fff";
  }

  function showTip(lines, x, y) {
    tip.selectAll("div").data(lines).join("div").text(line => line);
    tip.classed("shown", true);
    const box = tip.node().getBoundingClientRect();
    tip.style("left", `${clamp(4, x + 14, Math.max(4, innerWidth - box.width - 4))}px`)
       .style("top", `${y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 10) : y + 18}px`);
  }

  const hideTip = () => tip.classed("shown", false);

  // Two letters a number, of a matrix whose upper half is zero ("t") or of a whole one ("s").
  function unpacked(values, columns) {
    if (typeof values !== "string") {
      return values;
    }
    const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
    const place = new Map([...digits].map((digit, i) => [digit, i]));
    const rows = [];
    for (let at = 1; at < values.length;) {
      const width = values[0] === "t" ? rows.length + 1 : columns;
      const row = new Array(columns).fill(0);
      for (let x = 0; x < width; x++, at += 2) {
        row[x] = (place.get(values[at]) * 64 + place.get(values[at + 1])) / 4095;
      }
      rows.push(row);
    }
    return rows;
  }

  // Export.

  function download(name, blob) {
    const url = URL.createObjectURL(blob);
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  // Buttons that write a picture: build draws it, complete and on white, into an SVG of its own.
  function exports(tools, name, build) {
    const file = name.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || "loupe";
    function text() {
      const svg = d3.create("svg").attr("font-family", "DejaVu Sans, Helvetica, Arial, sans-serif");
      const {width, height} = build(svg);
      svg.attr("width", width).attr("height", height).attr("viewBox", `0 0 ${width} ${height}`);
      svg.insert("rect", "*").attr("width", width).attr("height", height).attr("fill", paper.page);
      return {xml: new XMLSerializer().serializeToString(svg.node()), width, height};
    }
    tools.append("button").attr("type", "button").attr("class", "export").text("SVG")
      .attr("aria-label", `${name}: save as SVG`)
      .on("click", () => download(`${file}.svg`, new Blob([text().xml], {type: "image/svg+xml"})));
    tools.append("button").attr("type", "button").attr("class", "export").text("PNG")
      .attr("aria-label", `${name}: save as PNG`)
      .on("click", () => {
        const {xml, width, height} = text();
        const image = new Image();
        image.onload = () => {
          const zoom = Math.min(2, 16000 / Math.max(width, height));
          const canvas = document.createElement("canvas");
          canvas.width = width * zoom;
          canvas.height = height * zoom;
          canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
          canvas.toBlob(blob => download(`${file}.png`, blob), "image/png");
        };
        image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(xml)}`;
      });
  }

  function heading(svg, text) {
    svg.append("text").attr("x", 10).attr("y", 20).attr("font-size", 14).attr("fill", paper.ink).text(text);
  }

  // Matrices.

  // The cells as an image of one pixel each, which the browser enlarges without smoothing.
  function pixels(values, color) {
    const canvas = document.createElement("canvas");
    canvas.width = values[0]?.length || 1;
    canvas.height = values.length || 1;
    const context = canvas.getContext("2d");
    values.forEach((row, y) => row.forEach((value, x) => {
      if (value !== null) {
        context.fillStyle = color(value);
        context.fillRect(x, y, 1, 1);
      }
    }));
    return canvas.toDataURL();
  }

  // What a heat map shows: a specification with its numbers, of some of its rows and columns.
  function matrix(spec, values, ys, xs) {
    const part = cells => cells && ys.map(y => xs.map(x => cells[y][x]));
    const columns = spec.columns ?? spec.rows;
    const brief = label => spec.brief?.[label] ?? label;
    const m = {
      rowName: spec.rowName, columnName: spec.columnName, scale: spec.scale,
      rows: ys.map(y => spec.rows[y]), columns: xs.map(x => columns[x]), values: part(values),
      texts: part(spec.texts), plain: !!spec.tokens,
      headOf: (y, x) => (spec.rowLayers?.length && spec.columnHeads?.length
        ? [spec.rowLayers[ys[y]], spec.columnHeads[xs[x]]] : null),
    };
    if (spec.words) {
      m.texts = ys.map(y => xs.map(x => spec.words.vocabulary[spec.words.ids[y][x][0]]));
    }
    m.shortRows = m.rows.map(brief);
    m.shortColumns = m.columns.map(brief);
    m.shortTexts = m.texts?.map(row => row.map(brief));
    m.tip = (y, x) => {
      const given = spec.tips?.[ys[y]]?.[xs[x]];
      if (given) {
        return given;
      }
      const where = [`${m.rowName}: ${labelled(spec.rows, ys[y])}`, `${m.columnName}: ${labelled(columns, xs[x])}`]
        .filter(line => line !== ": ");
      const words = spec.words;
      const what = words
        ? words.ids[ys[y]][xs[x]].map((id, i) =>
          `${i + 1}. ${words.vocabulary[id]}  ${show(words.shares[ys[y]][xs[x]][i])}`)
        : [...(spec.texts ? [spec.texts[ys[y]][xs[x]]] : []), show(values[ys[y]][xs[x]])];
      const also = (spec.also ?? []).map(one => `${one.name}: ${show(one.values[ys[y]][xs[x]])}`);
      return [...where, ...what, ...also];
    };
    return m;
  }

  // Where everything goes. Columns of words are as wide as their words; numbers are shown where they fit.
  function geometry(m, room) {
    const rows = m.rows.length, columns = m.columns.length;
    const left = 12 + LETTER * Math.max(m.rowName.length + 2, Math.min(24, longest(m.shortRows)));
    const free = Math.max(200, room - left - 24);
    const g = {left, numbers: false, level: true};
    if (m.shortTexts) {
      g.height = 22;
      g.widths = m.columns.map((_, x) => clamp(30,
        12 + LETTER * Math.max(most(m.shortTexts, row => row[x].length), Math.min(9, m.shortColumns[x].length)), 124));
    } else {
      g.numbers = !m.plain && columns * 44 <= free && rows <= 48;
      const side = clamp(11, Math.min(Math.floor(free / Math.max(columns, 1)), Math.floor(560 / Math.max(rows, 1))), m.plain ? 30 : 34);
      g.height = g.numbers ? 22 : side;
      g.widths = m.columns.map(() => (g.numbers ? 44 : side));
      g.level = m.shortColumns.every((label, x) => LETTER * label.length + 2 <= g.widths[x]);
    }
    g.xs = [0];
    g.widths.forEach((width, x) => g.xs.push(g.xs[x] + width));
    g.top = g.level ? 38 : 30 + 5.9 * Math.min(24, longest(m.shortColumns));
    g.lean = g.level ? 0 : 3.4 * Math.min(24, longest(m.shortColumns)); // how far the last leaning label reaches out
    g.inner = {width: g.xs[columns], height: g.height * rows};
    g.font = Math.min(11, g.height - 1);
    return g;
  }

  function inCell(value) {
    return Math.abs(value) >= 99.95 ? d3.format(".3~g")(value) : d3.format(".2f")(Math.abs(value) < 0.005 ? 0 : value);
  }

  // Cells of the columns from..to.
  function drawCells(group, m, g, theme, from, to, asImage) {
    const color = colors(m.scale, theme);
    const cells = [];
    m.values.forEach((row, y) => {
      for (let x = from; x < to; x++) {
        cells.push({y, x, value: row[x]});
      }
    });
    if (!asImage) {
      group.selectAll("rect.cell").data(cells.filter(d => d.value !== null), d => `${d.y} ${d.x}`).join("rect")
        .attr("class", "cell").attr("shape-rendering", "crispEdges")
        .attr("x", d => g.xs[d.x]).attr("y", d => d.y * g.height)
        .attr("width", d => g.widths[d.x]).attr("height", g.height).attr("fill", d => color(d.value));
    }
    if (m.shortTexts || g.numbers) {
      group.selectAll("text.cell").data(cells.filter(d => m.shortTexts || d.value !== null), d => `${d.y} ${d.x}`)
        .join("text").attr("class", "cell").attr("text-anchor", "middle").attr("font-size", 11)
        .attr("x", d => g.xs[d.x] + g.widths[d.x] / 2).attr("y", d => (d.y + 0.5) * g.height + 4)
        .attr("fill", d => (d.value === null ? theme.ink : ink(color(d.value))))
        .text(d => (m.shortTexts ? clip(m.shortTexts[d.y][d.x], Math.floor((g.widths[d.x] - 4) / LETTER))
          : inCell(d.value)));
    }
  }

  function drawColumns(group, m, g, theme, from, to) {
    const labels = [];
    for (let x = from; x < to; x++) {
      labels.push({label: m.shortColumns[x], x});
    }
    group.selectAll("text.column").data(labels, d => d.x).join("text").attr("class", "column")
      .attr("font-size", g.font).attr("fill", theme.ink)
      .attr("text-anchor", g.level ? "middle" : "start")
      .attr("transform", d => (g.level ? `translate(${g.xs[d.x] + g.widths[d.x] / 2},-7)`
        : `translate(${g.xs[d.x] + g.widths[d.x] / 2 + 3},-6) rotate(-60)`))
      .text(d => clip(d.label, g.level && m.shortTexts ? Math.floor((g.widths[d.x] - 2) / LETTER) : 24));
  }

  function drawRows(group, m, g, theme) {
    group.selectAll("text.row").data(m.shortRows).join("text").attr("class", "row")
      .attr("text-anchor", "end").attr("font-size", g.font).attr("fill", theme.ink)
      .attr("x", -5).attr("y", (_, y) => (y + 0.5) * g.height + 4).text(label => clip(label, 24));
  }

  function drawAxes(corner, m, g, theme) {
    corner.append("text").attr("class", "axis").attr("text-anchor", "start").attr("font-size", 11)
      .attr("fill", theme.faint).attr("x", 0).attr("y", 12 - g.top).text(m.columnName && `${m.columnName} →`);
    corner.append("text").attr("class", "axis").attr("text-anchor", "end").attr("font-size", 11)
      .attr("fill", theme.faint).attr("x", -5).attr("y", -7).text(m.rowName && `${m.rowName} ↓`);
  }

  // The whole picture at once, for export.
  function drawAll(svg, m, title) {
    const g = geometry(m, 1400);
    const asImage = m.rows.length * m.columns.length > 20000;
    heading(svg, title);
    const plot = svg.append("g").attr("transform", `translate(${g.left},${g.top + 34})`);
    plot.append("rect").attr("width", g.inner.width).attr("height", g.inner.height).attr("fill", paper.empty);
    if (asImage) {
      plot.append("image").attr("href", pixels(m.values, colors(m.scale, paper))).attr("width", g.inner.width)
        .attr("height", g.inner.height).attr("preserveAspectRatio", "none").style("image-rendering", "pixelated");
    }
    drawCells(plot, m, g, paper, 0, m.columns.length, asImage);
    drawColumns(plot, m, g, paper, 0, m.columns.length);
    drawRows(plot, m, g, paper);
    drawAxes(plot, m, g, paper);
    const below = g.top + 34 + g.inner.height + 18;
    colorBar(svg.append("g").attr("transform", `translate(${g.left},${below})`), m.scale, paper);
    return {width: Math.max(g.left + g.inner.width + g.lean + 24, LETTER * 1.3 * title.length + 20, g.left + 230),
      height: below + 34};
  }

  // A matrix with labels that stay in view, a colour bar, and the cell under the pointer or the arrow keys explained.
  function heatmap(parent, m, name, {onRow = () => {}, onCell = null, atEnd = false} = {}) {
    const tools = parent.append("div").attr("class", "tools");
    colorBar(tools.append("svg").attr("class", "bar").attr("width", 210).attr("height", 28)
      .append("g").attr("transform", "translate(8,2)"), m.scale, screen);
    exports(tools, name, svg => drawAll(svg, m, name));
    const scroll = parent.append("div").attr("class", "scroll");
    const room = d3.select("main").node().clientWidth || 1000;
    const g = geometry(m, room);
    const rows = m.rows.length, columns = m.columns.length;
    const color = colors(m.scale);
    const asImage = !m.texts && rows * columns > FEW_CELLS;
    const svg = scroll.append("svg").attr("class", "heatmap")
      .attr("width", g.left + g.inner.width + g.lean + 8).attr("height", g.top + g.inner.height + 4)
      .attr("role", "img").attr("tabindex", 0)
      .attr("aria-label", `${name}: ${rows} by ${columns} cells, ${m.rowName} by ${m.columnName}. `
        + "Arrow keys move from cell to cell.");
    const plot = svg.append("g").attr("transform", `translate(${g.left},${g.top})`);
    plot.append("rect").attr("class", "nothing").attr("width", g.inner.width).attr("height", g.inner.height);
    if (asImage) {
      plot.append("image").attr("class", "cells").attr("href", pixels(m.values, color))
        .attr("width", g.inner.width).attr("height", g.inner.height).attr("preserveAspectRatio", "none");
    }
    const cells = plot.append("g");
    const mark = plot.append("rect").attr("class", "mark").attr("height", g.height);
    const across = svg.append("g");
    across.append("rect").attr("class", "ground").attr("y", -g.top).attr("height", g.top)
      .attr("width", g.inner.width + g.lean + 8);
    const down = svg.append("g");
    down.append("rect").attr("class", "ground").attr("x", -g.left).attr("width", g.left - 1)
      .attr("height", g.inner.height + 4);
    const corner = svg.append("g");
    corner.append("rect").attr("class", "ground").attr("x", -g.left).attr("y", -g.top)
      .attr("width", g.left - 1).attr("height", g.top - 1);
    drawRows(down, m, g, screen);
    drawAxes(corner, m, g, screen);

    // Only the columns in view are drawn: a long prompt has thousands.
    function settle() {
      const {scrollLeft, scrollTop, clientWidth} = scroll.node();
      across.attr("transform", `translate(${g.left},${g.top + scrollTop})`);
      down.attr("transform", `translate(${g.left + scrollLeft},${g.top})`);
      corner.attr("transform", `translate(${g.left + scrollLeft},${g.top + scrollTop})`);
      const width = (clientWidth || 1400) + 300;
      let from = g.xs.findIndex(x => x > scrollLeft - 300) - 1;
      from = Math.max(0, from);
      let to = from;
      while (to < columns && g.xs[to] < scrollLeft + width) {
        to++;
      }
      drawCells(cells, m, g, screen, from, to, asImage);
      drawColumns(across, m, g, screen, from, to);
    }
    scroll.on("scroll", settle);
    settle();
    if (atEnd) {
      scroll.node().scrollLeft = scroll.node().scrollWidth;
      scroll.node().scrollTop = scroll.node().scrollHeight;
      settle();
    }

    let at = null;
    function probe(y, x, clientX, clientY) {
      at = [y, x];
      mark.attr("x", g.xs[x]).attr("width", g.widths[x]).attr("y", y * g.height).classed("shown", true);
      showTip(m.tip(y, x), clientX, clientY);
      onRow(y);
    }
    function cellAt(event) {
      const [px, py] = d3.pointer(event, plot.node());
      const x = g.xs.findLastIndex(start => start <= px), y = Math.floor(py / g.height);
      return x >= 0 && x < columns && y >= 0 && y < rows ? [y, x] : null;
    }
    svg.on("pointermove", event => {
      const cell = cellAt(event);
      if (cell) {
        probe(...cell, event.clientX, event.clientY);
      } else {
        leave();
      }
    });
    svg.on("click", event => {
      const cell = cellAt(event);
      if (cell) {
        choose(...cell);
      }
    });
    function choose(y, x) {
      const head = m.headOf(y, x);
      if (onCell) {
        onCell(y, x);
      } else if (head) {
        headListeners.forEach(listener => listener(...head));
      }
    }
    function leave() {
      mark.classed("shown", false);
      hideTip();
    }
    svg.on("pointerleave blur", leave);
    const steps = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
    svg.on("keydown", event => {
      if (event.key === "Enter" && at) {
        choose(...at);
        return;
      }
      const step = steps[event.key];
      if (!step || !rows || !columns) {
        return;
      }
      event.preventDefault();
      const [y, x] = at === null ? [0, 0] : [at[0] + step[0], at[1] + step[1]];
      const cell = [clamp(0, y, rows - 1), clamp(0, x, columns - 1)];
      const box = scroll.node();
      box.scrollLeft = clamp(g.left + g.xs[cell[1] + 1] - box.clientWidth + 4, box.scrollLeft, g.xs[cell[1]]);
      box.scrollTop = clamp(g.top + (cell[0] + 1) * g.height - box.clientHeight + 4, box.scrollTop, cell[0] * g.height);
      const origin = plot.select("rect.nothing").node().getBoundingClientRect();
      probe(cell[0], cell[1], origin.left + g.xs[cell[1] + 1], origin.top + (cell[0] + 0.5) * g.height);
    });
  }

  function colorBar(group, scale, theme) {
    const color = colors(scale, theme);
    const [low, high] = scale.domain;
    const length = 190;
    group.selectAll("rect").data([...Array(64).keys()]).join("rect").attr("shape-rendering", "crispEdges")
      .attr("height", 9).attr("width", length / 64 + 0.5).attr("x", i => (i * length) / 64)
      .attr("fill", i => color(low + ((high - low) * i) / 63));
    group.selectAll("text").data([low, (low + high) / 2, high]).join("text").attr("class", "tick")
      .attr("font-size", 11).attr("fill", theme.faint).attr("text-anchor", (_, i) => ["start", "middle", "end"][i])
      .attr("x", (_, i) => (i * length) / 2).attr("y", 21).text(value => number(value));
  }

  // Numbers for those who can't see colours; built when it is opened.
  function table(parent, m) {
    const details = parent.append("details");
    details.append("summary").text("Numbers");
    details.on("toggle", () => {
      if (!details.select("table").empty()) {
        return;
      }
      const body = details.append("div").attr("class", "scroll").append("table");
      body.append("tr").selectAll("th").data([`${m.rowName} \\ ${m.columnName}`, ...m.columns])
        .join("th").attr("scope", "col").text(d => d);
      const lines = body.selectAll("tr.line").data(m.values).join("tr").attr("class", "line");
      lines.append("th").attr("scope", "row").text((_, y) => m.rows[y]);
      lines.selectAll("td").data((row, y) => row.map((value, x) =>
        m.texts ? `${m.texts[y][x]} ${show(value)}` : show(value))).join("td").text(d => d);
    });
  }

  const all = list => list.map((_, i) => i);

  // The rows or columns that the reader chose; all if none of them belongs to the choice.
  function chosen(list, numbers, wanted) {
    const some = wanted === null || !numbers?.length ? [] : all(list).filter(i => numbers[i] === wanted);
    return some.length ? some : all(list);
  }

  function drawHeatmap(section, spec) {
    const m = matrix(spec, spec.values, chosen(spec.rows, spec.rowLayers, filter.layer),
      chosen(spec.columns, spec.columnHeads, filter.head));
    heatmap(section, m, spec.title, {atEnd: !!spec.words});
    table(section, m);
  }

  // Bars.

  function drawBars(section, spec) {
    let items = spec.names.map((name, i) => ({name, value: spec.values[i], layer: spec.layers[i], head: spec.heads[i]}))
      .filter(d => d.value !== null
        && (filter.layer === null || d.layer < 0 && filter.head === null || d.layer === filter.layer)
        && (filter.head === null || d.head === filter.head));
    const anyLayer = spec.layers.some(layer => layer >= 0);
    if (!anyLayer) {
      items = spec.names.map((name, i) => ({name, value: spec.values[i]})).filter(d => d.value !== null);
    }
    items.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const rest = items.slice(spec.most);
    const shown = items.slice(0, spec.most);
    if (rest.length) {
      shown.push({name: `others (${rest.length})`, value: rest.reduce((sum, d) => sum + d.value, 0)});
    }
    const format = spec.unit === "%" ? d3.format(".3~p") : d3.format(".3f");
    const tools = section.append("div").attr("class", "tools");
    exports(tools, spec.title, svg => {
      heading(svg, spec.title);
      const size = bars(svg.append("g").attr("transform", "translate(0,34)"), shown, spec.scale, format, paper);
      return {width: Math.max(size.width, LETTER * 1.3 * spec.title.length + 20), height: size.height + 40};
    });
    const svg = section.append("svg").attr("class", "bars").attr("role", "img")
      .attr("aria-label", `${spec.title}: ${shown.map(d => `${d.name} ${format(d.value)}`).join(", ")}`);
    const size = bars(svg, shown, spec.scale, format, screen);
    svg.attr("width", size.width).attr("height", size.height);
    svg.selectAll("g.item").on("pointermove", (event, d) => showTip([d.name, format(d.value)], event.clientX, event.clientY))
      .on("pointerleave", hideTip)
      .on("click", (_, d) => d.head >= 0 && headListeners.forEach(listener => listener(d.layer, d.head)));
  }

  function bars(group, items, scale, format, theme) {
    const row = 18;
    const left = 12 + LETTER * Math.min(24, longest(items.map(d => d.name)));
    const length = 190;
    const negative = most(items, d => -d.value), positive = most(items, d => d.value);
    const unit = length / (negative + positive || 1);
    const color = colors(scale, theme);
    const numbers = 62;
    const zero = left + (negative > 0 ? numbers : 0) + negative * unit;
    const g = group.selectAll("g.item").data(items).join("g").attr("class", "item")
      .attr("transform", (_, i) => `translate(0,${i * row})`);
    g.append("text").attr("class", "row").attr("text-anchor", "end").attr("font-size", 11).attr("fill", theme.ink)
      .attr("x", left - 5).attr("y", 13).text(d => clip(d.name, 24));
    g.append("rect").attr("class", "bar").attr("x", d => zero + Math.min(0, d.value) * unit).attr("y", 2)
      .attr("height", row - 4).attr("width", d => Math.max(1, Math.abs(d.value) * unit))
      .attr("fill", d => color(d.value)).attr("stroke", theme.line);
    g.append("text").attr("class", "number").attr("font-size", 11).attr("fill", theme.ink)
      .attr("text-anchor", d => (d.value < 0 ? "end" : "start"))
      .attr("x", d => zero + d.value * unit + (d.value < 0 ? -4 : 4)).attr("y", 13).text(d => format(d.value));
    return {width: zero + positive * unit + numbers, height: items.length * row + 4};
  }

  // Panels.

  function scoreOf(spec, panel) {
    return panel.score ?? most((panel.values ?? []).flat(), value => Math.abs(value));
  }

  // Many matrices with the same labels: thumbnails, or a map of all heads, and one of them large.
  function drawPanels(section, spec) {
    const columns = spec.columns ?? spec.rows;
    const valuesOf = panel => unpacked(panel.values, columns.length);
    const kept = spec.panels.filter(panel => panel.values !== undefined);
    let shown = spec.panels.filter(panel => (filter.layer === null || panel.layer === filter.layer)
      && (filter.head === null || panel.head === filter.head));
    shown = shown.length ? shown : spec.panels;
    if (kept.length < spec.panels.length) {
      section.append("p").attr("class", "note").text(`This page holds the patterns of the ${kept.length} heads of `
        + `${spec.panels.length} in which the last token takes most from one earlier token. `
        + "loupe attention --layer L --head H --html FILE shows any other.");
    }
    const beside = section.append("div").attr("class", "beside");
    const chooser = beside.append("div").attr("class", "chooser");
    const large = beside.append("div").attr("class", "large");
    const placed = shown.every(panel => panel.layer !== undefined && panel.head !== undefined);
    let buttons = null;
    if (shown.length > FEW_PANELS && placed) {
      map(shown);
    } else {
      thumbnails(shown);
    }

    function map(panels) {
      const layers = [...new Set(panels.map(panel => panel.layer))].sort((a, b) => a - b);
      const heads = [...new Set(panels.map(panel => panel.head))].sort((a, b) => a - b);
      const byPlace = new Map(panels.map(panel => [`${panel.layer} ${panel.head}`, panel]));
      const at = (y, x) => byPlace.get(`${layers[y]} ${heads[x]}`);
      const values = layers.map((_, y) => heads.map((__, x) => (at(y, x) ? scoreOf(spec, at(y, x)) : null)));
      const what = spec.tokens ? "most that the last token takes from one earlier token" : "strongest number";
      const m = matrix({rowName: "layer", rows: layers.map(String), columnName: "head", columns: heads.map(String),
        scale: spec.scale, tokens: true}, values, all(layers), all(heads));
      m.tip = (y, x) => (at(y, x) ? [at(y, x).name, `${what}: ${show(values[y][x])}`,
        at(y, x).values === undefined ? "not in this page" : "click to see it"] : []);
      chooser.append("p").attr("class", "note").text(`All ${panels.length} heads, by the ${what}: click one.`);
      heatmap(chooser, m, `${spec.title}: all heads`, {onCell: (y, x) => at(y, x) && choose(at(y, x))});
    }

    function thumbnails(panels) {
      const thumbs = chooser.append("div").attr("class", "thumbs").attr("role", "group")
        .attr("aria-label", `${spec.title}: choose a panel`);
      thumbs.style("grid-template-columns", `repeat(${Math.min(spec.perRow, panels.length)}, 72px)`);
      buttons = thumbs.selectAll("button").data(panels).join("button").attr("type", "button");
      buttons.each(function (panel) {
        const button = d3.select(this);
        if (panel.values === undefined) {
          button.attr("disabled", "").attr("title", "not in this page");
        } else {
          button.append("img").attr("alt", "").attr("class", "cells")
            .attr("src", pixels(valuesOf(panel), colors(spec.scale)));
        }
        button.append("span").text(panel.name);
      });
      buttons.on("click", (_, panel) => choose(panel));
    }

    function choose(panel) {
      large.selectAll("*").remove();
      if (panel.values === undefined) {
        large.append("p").text(`${panel.name} isn't in this page: loupe attention --layer ${panel.layer} `
          + `--head ${panel.head} --html FILE shows it.`);
        return;
      }
      chosenPanels.set(spec, panel);
      buttons?.attr("aria-pressed", other => String(other === panel));
      large.append("h3").text(panel.name);
      const m = matrix(spec, valuesOf(panel), all(spec.rows), all(columns));
      const name = `${spec.title}: ${panel.name}`;
      const attention = spec.tokens ? attentionOf(large, spec, m) : {row: () => {}, lines: () => {}};
      const both = large.append("div").attr("class", "both");
      heatmap(both.append("div").attr("class", "one"), m, name, {onRow: attention.row, atEnd: spec.tokens});
      attention.lines(both, name);
      table(large, m);
    }
    headListeners.push((layer, head) => {
      const panel = spec.panels.find(one => one.layer === layer && one.head === head);
      if (panel) {
        choose(panel);
        large.node().scrollIntoView({block: "nearest"});
      }
    });
    if (shown.length) {
      const before = chosenPanels.get(spec);
      const candidates = shown.filter(panel => panel.values !== undefined);
      const best = candidates.reduce((top, panel) =>
        (top === null || scoreOf(spec, panel) > scoreOf(spec, top) ? panel : top), null);
      choose(candidates.includes(before) ? before : best ?? shown[0]);
    }
  }

  // One head: the tokens on the colours of a query's weights, and lines from queries to keys.
  function attentionOf(parent, spec, m) {
    const last = m.rows.length - 1;
    const pinned = pinnedQueries.get(spec) ?? new Set([last]);
    pinnedQueries.set(spec, pinned);
    const line = parent.append("p").attr("class", "tokens");
    let redraw = () => {};
    function row(y) {
      line.attr("data-row", y);
      tokens(line, m.shortColumns, m.values[y], m.scale, i => [
        `${labelled(m.rows, y)} → ${labelled(m.columns, i)}`, show(m.values[y][i])], i => row(i), y);
      redraw(y);
    }
    function lines(both, name) {
      const box = both.append("div").attr("class", "one");
      const tools = box.append("div").attr("class", "tools");
      tools.append("span").attr("class", "note").text("Point at a token for its lines, click to pin them.");
      exports(tools, `${name}, lines`, svg => {
        heading(svg, name);
        const size = drawLines(svg.append("g").attr("transform", "translate(0,34)"), m, paper, pinned, {});
        return {width: Math.max(size.width, LETTER * 1.3 * name.length + 20), height: size.height + 40};
      });
      const scroll = box.append("div").attr("class", "scroll");
      const svg = scroll.append("svg").attr("class", "lines");
      redraw = y => draw({query: y});
      function draw(hovered) {
        const size = drawLines(svg, m, screen, pinned, hovered);
        svg.attr("width", size.width).attr("height", size.height);
      }
      draw({});
      svg.selectAll("text.query").attr("tabindex", 0)
        .on("pointerenter focus", (_, d) => row(d.i)).on("pointerleave blur", () => draw({}))
        .on("click", (_, d) => toggle(d.i))
        .on("keydown", (event, d) => event.key === "Enter" && toggle(d.i));
      svg.selectAll("text.key").on("pointerenter", (_, d) => draw({key: d.i})).on("pointerleave", () => draw({}));
      function toggle(i) {
        if (!pinned.delete(i)) {
          pinned.add(i);
        }
        draw({});
      }
      scroll.node().scrollTop = scroll.node().scrollHeight;
    }
    row(last);
    return {row, lines};
  }

  // Queries at the left, keys at the right, and a line for each weight from 0.01 of the pinned and hovered ones.
  function drawLines(group, m, theme, pinned, hovered) {
    const row = 17;
    const width = 12 + LETTER * clamp(4, longest(m.shortRows), 18);
    const gap = 120;
    const sides = m.shortRows.map((label, i) => ({label: clip(label, 18), i}));
    group.selectAll("g.threads").data([0]).join("g").attr("class", "threads");
    const threads = [];
    m.values.forEach((weights, query) => weights.forEach((weight, key) => {
      const over = hovered.query === query || hovered.key === key;
      if (weight >= 0.01 && (over || pinned.has(query))) {
        threads.push({query, key, weight, over});
      }
    }));
    threads.sort((a, b) => a.weight - b.weight);
    const y = i => i * row + row / 2;
    group.select("g.threads").selectAll("path").data(threads).join("path")
      .attr("class", d => (d.over ? "over" : "pinned")).attr("fill", "none")
      .attr("stroke", d => (d.over ? "#d97706" : "#3b82c4"))
      .attr("stroke-width", d => 0.6 + 5 * d.weight).attr("stroke-opacity", d => 0.2 + 0.8 * d.weight)
      .attr("d", d => `M${width},${y(d.query)}C${width + gap / 2},${y(d.query)} ${width + gap / 2},${y(d.key)} `
        + `${width + gap},${y(d.key)}`);
    const weightTo = key => {
      const query = hovered.query ?? [...pinned].at(-1);
      return query === undefined || hovered.key !== undefined ? "" : m.values[query][key] >= 0.01
        ? ` ${d3.format(".2f")(m.values[query][key])}` : "";
    };
    const text = (kind, x, anchor) => group.selectAll(`text.${kind}`).data(sides).join("text")
      .attr("class", kind).attr("text-anchor", anchor).attr("font-size", 11)
      .attr("x", x).attr("y", d => y(d.i) + 4);
    text("query", width - 5, "end").text(d => d.label)
      .attr("fill", d => (hovered.query === d.i ? "#d97706" : pinned.has(d.i) ? "#3b82c4" : theme.ink))
      .attr("font-weight", d => (pinned.has(d.i) ? "bold" : null));
    text("key", width + gap + 5, "start").text(d => d.label + weightTo(d.i))
      .attr("fill", d => (hovered.key === d.i ? "#d97706" : theme.ink));
    return {width: 2 * width + gap + 36, height: m.rows.length * row + 4};
  }

  // Tokens.

  // Tokens in a line of text, each on its own colour.
  function tokens(line, labels, values, scale, explain, onChoose = () => {}, picked = -1) {
    const color = colors(scale);
    line.selectAll("span").data(labels).join("span").text(label => label)
      .classed("chosen", (_, i) => i === picked)
      .style("background", (_, i) => color(values[i]))
      .style("color", (_, i) => (values[i] === null ? null : ink(color(values[i]))))
      .attr("tabindex", 0)
      .attr("aria-label", (label, i) => `${label}: ${show(values[i])}`)
      .on("pointermove focus", function (event) {
        const i = line.selectAll("span").nodes().indexOf(this);
        const box = this.getBoundingClientRect();
        showTip(explain(i), event.clientX ?? box.left, event.clientY ?? box.bottom);
      })
      .on("click", function () { onChoose(line.selectAll("span").nodes().indexOf(this)); })
      .on("pointerleave blur", hideTip);
  }

  function drawTokens(section, spec) {
    let draw;
    let current = spec.series[0];
    if (spec.series.length > 1) {
      const label = section.append("label").text("Values: ");
      const select = label.append("select");
      select.selectAll("option").data(spec.series).join("option").text(series => series.name);
      select.on("change", () => draw(spec.series[select.property("selectedIndex")]));
    }
    const tools = section.append("div").attr("class", "tools");
    colorBar(tools.append("svg").attr("class", "bar").attr("width", 210).attr("height", 28)
      .append("g").attr("transform", "translate(8,2)"), spec.scale, screen);
    exports(tools, spec.title, svg => tokensPicture(svg, spec, current));
    const line = section.append("p").attr("class", "tokens");
    draw = series => {
      current = series;
      tokens(line, spec.labels.map(label => spec.brief[label] ?? label), series.values, spec.scale, i => [
        spec.labels[i], `${series.name}: ${show(series.values[i])}`,
        ...(spec.boundary > 0 ? [i < spec.boundary ? "of the prompt" : "of the continuation"] : [])]);
      line.selectAll("i").remove();
      if (spec.boundary > 0) {
        line.insert("i", `span:nth-of-type(${spec.boundary + 1})`).attr("class", "boundary").text("continuation ▸");
      }
    };
    draw(spec.series[0]);
  }

  function tokensPicture(svg, spec, series) {
    heading(svg, spec.title);
    const color = colors(spec.scale, paper);
    let x = 10, y = 36;
    spec.labels.map(label => spec.brief[label] ?? label).forEach((label, i) => {
      const begins = spec.boundary > 0 && i === spec.boundary;
      const width = 8 + 7 * label.length + (begins ? 14 : 0);
      if (x + width > 790 && x > 10) {
        x = 10;
        y += 24;
      }
      if (begins) {
        svg.append("text").attr("x", x + 2).attr("y", y + 15).attr("font-size", 12).attr("fill", "#d97706").text("▸");
        x += 14;
      }
      const inside = 8 + 7 * label.length;
      const value = series.values[i];
      svg.append("rect").attr("x", x).attr("y", y).attr("width", inside).attr("height", 20)
        .attr("fill", value === null ? paper.page : color(value)).attr("stroke", paper.line);
      svg.append("text").attr("x", x + 4).attr("y", y + 14).attr("font-size", 11).attr("font-family", "monospace")
        .attr("fill", value === null ? paper.ink : ink(color(value))).text(label);
      x += inside + 3;
    });
    colorBar(svg.append("g").attr("transform", `translate(10,${y + 34})`), spec.scale, paper);
    return {width: 800, height: y + 66};
  }

  // Nodes in rows from the bottom up, and edges between them.
  function drawGraph(section, spec) {
    const name = edge => `${spec.nodes[edge.from].name} → ${spec.nodes[edge.to].name}${edge.label ? ` (${edge.label})` : ""}`;
    exports(section.append("div").attr("class", "tools"), spec.title, svg => {
      heading(svg, spec.title);
      const size = edges(svg.append("g").attr("transform", "translate(0,34)"), spec, paper);
      return {width: Math.max(size.width, LETTER * 1.3 * spec.title.length + 20), height: size.height + 40};
    });
    const svg = section.append("div").attr("class", "scroll").append("svg").attr("class", "graph").attr("role", "img")
      .attr("aria-label", `${spec.title}: ${spec.nodes.length} nodes, ${spec.edges.length} edges`);
    const size = edges(svg, spec, screen);
    svg.attr("width", size.width).attr("height", size.height);
    svg.selectAll("path").on("pointermove", (event, edge) =>
      showTip([name(edge), show(edge.score)], event.clientX, event.clientY)).on("pointerleave", hideTip);
    const details = section.append("details");
    details.append("summary").text("Numbers");
    const body = details.append("div").attr("class", "scroll").append("table");
    body.append("tr").selectAll("th").data(["edge", "score"]).join("th").attr("scope", "col").text(d => d);
    const lines = body.selectAll("tr.line").data(spec.edges).join("tr").attr("class", "line");
    lines.append("th").attr("scope", "row").text(name);
    lines.append("td").text(edge => show(edge.score));
  }

  // An edge passes the rows between its nodes in gaps, upright, the nearest free one first.
  function lanes(spec, x, from, to, taken) {
    const HALF = 38, STEP = 6;
    const [low, high] = from.row < to.row ? [from, to] : [to, from];
    const places = [];
    for (let row = low.row + 1; row < high.row; row++) {
      const wanted = x(low) + ((x(high) - x(low)) * (row - low.row)) / (high.row - low.row);
      const nodes = spec.nodes.filter(node => node.row === row).map(x);
      const isFree = place => nodes.every(node => Math.abs(node - place) >= HALF)
        && !taken.has(`${row} ${Math.round(place / STEP)}`);
      let place = wanted;
      for (let k = 1; !isFree(place) && k < 400; k++) {
        place = wanted + (k % 2 ? 1 : -1) * Math.ceil(k / 2) * STEP;
      }
      taken.add(`${row} ${Math.round(place / STEP)}`);
      places.push({row, place});
    }
    return from.row < to.row ? places : places.reverse();
  }

  function edges(svg, spec, theme) {
    const color = colors(spec.scale, theme);
    const strongest = spec.scale.domain[1];
    const margin = 24, across = 104;
    const width = Math.max(320, across * spec.columns), step = 62, height = 40 + step * (spec.rows - 1);
    const x = node => margin + (node.column < 0 ? width / 2 : ((node.column + 0.5) * width) / spec.columns);
    const level = row => height - 20 - step * row;
    const taken = new Set();
    // Edges to one reader's query, key and value end side by side.
    const alike = d3.group(spec.edges, edge => `${edge.from} ${edge.to}`);
    const beside = edge => {
      const all = alike.get(`${edge.from} ${edge.to}`);
      return 14 * (all.indexOf(edge) - (all.length - 1) / 2);
    };
    const routes = new Map([...spec.edges].sort((a, b) => Math.abs(b.score) - Math.abs(a.score)).map(edge => {
      const from = spec.nodes[edge.from], to = spec.nodes[edge.to];
      const up = from.row <= to.row ? 1 : -1;
      return [edge, [[x(from), level(from.row) - 9 * up],
        ...lanes(spec, x, from, to, taken).map(({row, place}) => [place, level(row)]),
        [x(to) + clamp(-28, beside(edge), 28), level(to.row) + 9 * up]]];
    }));
    const places = [...routes.values()].flat().map(([place]) => place);
    const left = Math.min(0, d3.min(places, place => place - 8) ?? 0);
    const right = Math.max(width + 2 * margin, d3.max(places, place => place + 8) ?? 0);
    const plot = svg.selectAll("g.plot").data([0]).join("g").attr("class", "plot")
      .attr("transform", `translate(${-left},0)`);
    plot.selectAll("path").data([...spec.edges].sort((a, b) => Math.abs(a.score) - Math.abs(b.score))).join("path")
      .attr("d", edge => routes.get(edge).reduce((line, [px, py], i, all) => {
        if (i === 0) {
          return `M${px},${py}`;
        }
        const [qx, qy] = all[i - 1];
        return `${line}C${qx},${(qy + py) / 2} ${px},${(qy + py) / 2} ${px},${py}`;
      }, ""))
      .attr("fill", "none").attr("opacity", 0.85)
      .attr("stroke", edge => color(edge.score < 0 ? Math.min(edge.score, -0.3 * strongest) : Math.max(edge.score, 0.3 * strongest)))
      .attr("stroke-width", edge => 0.8 + (4.2 * Math.abs(edge.score)) / strongest);
    const boxes = plot.selectAll("g.node").data(spec.nodes).join("g").attr("class", "node")
      .attr("transform", node => `translate(${x(node)},${level(node.row)})`);
    boxes.append("rect").attr("x", -32).attr("y", -9).attr("width", 64).attr("height", 18).attr("rx", 4)
      .attr("fill", theme.empty).attr("stroke", theme.line);
    boxes.append("text").attr("y", 4).attr("font-size", 11).attr("text-anchor", "middle").attr("fill", theme.ink)
      .text(node => node.name);
    return {width: right - left, height};
  }

  // Texts in rows and columns.

  function drawTable(section, spec) {
    exports(section.append("div").attr("class", "tools"), spec.title, svg => tablePicture(svg, spec));
    const table = section.append("div").attr("class", "scroll").append("table").attr("class", "texts");
    table.append("tr").selectAll("th").data(spec.columns).join("th").attr("scope", "col").text(d => d);
    table.selectAll("tr.line").data(spec.rows).join("tr").attr("class", "line")
      .selectAll("td").data(row => row).join("td").text(d => d);
  }

  // A text in lines of so many letters at most, broken at spaces where there are some.
  function wrapped(text, letters) {
    const lines = [];
    let rest = text;
    while (rest.length > letters) {
      const space = rest.lastIndexOf(" ", letters);
      const end = space > letters / 2 ? space : letters;
      lines.push(rest.slice(0, end));
      rest = rest.slice(end).trimStart();
    }
    return [...lines, rest];
  }

  function tablePicture(svg, spec) {
    const row = 15, pad = 6;
    heading(svg, spec.title);
    const lines = [spec.columns, ...spec.rows].map(cells => cells.map(text => wrapped(text, 60)));
    const widths = spec.columns.map((_, x) => 2 * pad + LETTER * Math.max(3, most(lines, cells => longest(cells[x]))));
    const starts = widths.map((_, x) => 10 + d3.sum(widths.slice(0, x)));
    let y = 36;
    lines.forEach((cells, i) => {
      const height = row * most(cells, texts => texts.length) + 6;
      cells.forEach((texts, x) => {
        svg.append("rect").attr("x", starts[x]).attr("y", y).attr("width", widths[x]).attr("height", height)
          .attr("fill", i === 0 ? paper.empty : paper.page).attr("stroke", paper.line);
        texts.forEach((text, k) => svg.append("text").attr("x", starts[x] + pad).attr("y", y + 14 + k * row)
          .attr("font-size", 11).attr("font-weight", i === 0 ? "bold" : null).attr("fill", paper.ink)
          .attr("xml:space", "preserve").text(text));
      });
      y += height;
    });
    return {width: Math.max(20 + d3.sum(widths), LETTER * 1.3 * spec.title.length + 20), height: y + 10};
  }

  // Nodes over tokens, layer above layer.

  const kinds = ["#2563eb", "#9ca3af", "#059669", "#d97706"];
  const kindColor = kind => kinds[kind % kinds.length];

  // Where each node goes: so many in a line over their token, then a line above.
  function layersGeometry(spec) {
    const size = 13, perLine = 6;
    const cells = d3.group(spec.nodes.map((node, i) => ({...node, i})), d => d.row, d => d.column);
    const wide = d3.max(cells.values(), row => d3.max(row.values(), cell => cell.length)) ?? 1;
    const width = Math.max(64, Math.min(wide, perLine) * size + 14);
    const heights = spec.rows.map((_, row) =>
      16 + size * Math.max(1, d3.max(cells.get(row)?.values() ?? [], cell => Math.ceil(cell.length / perLine)) ?? 1));
    const total = d3.sum(heights);
    const bottoms = heights.map((_, row) => total - d3.sum(heights.slice(0, row)));
    const at = new Map();
    for (const [row, columns] of cells) {
      for (const [column, cell] of columns) {
        cell.forEach((node, k) => at.set(node.i, {
          x: column * width + 10 + (k % perLine) * size + size / 2,
          y: bottoms[row] - 10 - Math.floor(k / perLine) * size - size / 2}));
      }
    }
    return {size, width, heights, total, bottoms, at, left: 24 + LETTER * Math.min(16, longest(spec.rows)),
      below: 24 + 0.75 * LETTER * Math.min(14, longest(spec.columns))};
  }

  // Layers, tokens, the nodes, and the links of the chosen one.
  function layers(svg, spec, g, theme, chosen) {
    const plot = svg.selectAll("g.plot").data([0]).join("g").attr("class", "plot")
      .attr("transform", `translate(${g.left},6)`);
    plot.selectAll("rect.band").data(spec.rows).join("rect").attr("class", "band")
      .attr("y", (_, row) => g.bottoms[row] - g.heights[row]).attr("height", (_, row) => g.heights[row])
      .attr("width", g.width * spec.columns.length).attr("fill", (_, row) => (row % 2 ? theme.empty : "none"));
    plot.selectAll("text.row").data(spec.rows).join("text").attr("class", "row").attr("text-anchor", "end")
      .attr("font-size", 11).attr("fill", theme.ink)
      .attr("x", -6).attr("y", (_, row) => g.bottoms[row] - g.heights[row] / 2 + 4).text(d => clip(d, 16));
    plot.selectAll("text.column").data(spec.columns).join("text").attr("class", "column").attr("text-anchor", "end")
      .attr("font-size", 11).attr("fill", theme.ink)
      .attr("transform", (_, i) => `translate(${i * g.width + g.width / 2},${g.total + 10}) rotate(-45)`)
      .text(d => clip(d, 14));
    const links = spec.links.filter(link => link[0] === chosen || link[1] === chosen);
    const largest = d3.max(links, link => Math.abs(link[2])) || 1;
    plot.selectAll("g.links").data([0]).join("g").attr("class", "links").selectAll("line").data(links).join("line")
      .attr("x1", d => g.at.get(d[0]).x).attr("y1", d => g.at.get(d[0]).y)
      .attr("x2", d => g.at.get(d[1]).x).attr("y2", d => g.at.get(d[1]).y)
      .attr("stroke", d => (d[2] < 0 ? "#dc2626" : "#16a34a")).attr("stroke-opacity", 0.6)
      .attr("stroke-width", d => 0.5 + (4 * Math.abs(d[2])) / largest);
    const linked = new Set(links.flatMap(link => [link[0], link[1]]));
    const marked = i => linked.has(i) || i === chosen;
    return plot.selectAll("circle").data(spec.nodes).join("circle")
      .classed("linked", (_, i) => linked.has(i)).classed("chosen", (_, i) => i === chosen)
      .attr("r", g.size / 2 - 1.5).attr("cx", (_, i) => g.at.get(i).x).attr("cy", (_, i) => g.at.get(i).y)
      .attr("fill", d => kindColor(d.kind)).attr("opacity", (_, i) => (marked(i) ? 1 : 0.75))
      .attr("stroke", (_, i) => (marked(i) ? theme.ink : "none"))
      .attr("stroke-width", (_, i) => (i === chosen ? 2.5 : 1));
  }

  const nodeName = (spec, i) => `${spec.rows[spec.nodes[i].row]} · ${labelled(spec.columns, spec.nodes[i].column)} · `
    + spec.nodes[i].label;

  function layersPicture(svg, spec, g, chosen) {
    heading(svg, spec.title);
    const about = chosen === undefined ? [] : wrapped(`Links of ${nodeName(spec, chosen)}`, 110);
    about.forEach((line, i) => svg.append("text").attr("x", 10).attr("y", 38 + 15 * i).attr("font-size", 11)
      .attr("fill", paper.faint).text(line));
    const top = 30 + 15 * about.length;
    layers(svg.append("g").attr("transform", `translate(0,${top})`), spec, g, paper, chosen);
    const y = top + g.total + g.below + 16;
    let x = 10;
    spec.kinds.forEach((kind, i) => {
      svg.append("circle").attr("cx", x + 5).attr("cy", y - 4).attr("r", 5).attr("fill", kindColor(i));
      svg.append("text").attr("x", x + 14).attr("y", y).attr("font-size", 11).attr("fill", paper.ink).text(kind);
      x += 34 + LETTER * kind.length;
    });
    return {width: Math.max(g.left + g.width * spec.columns.length + 10, x, LETTER * 1.3 * spec.title.length + 20,
      LETTER * longest(about) + 20), height: y + 12};
  }

  // The links of one node are drawn, and listed with their weights.
  function drawLayers(section, spec) {
    const g = layersGeometry(spec);
    let chosen;
    exports(section.append("div").attr("class", "tools"), spec.title, svg => layersPicture(svg, spec, g, chosen));
    const scroll = section.append("div").attr("class", "scroll");
    const svg = scroll.append("svg").attr("class", "layered")
      .attr("width", g.left + g.width * spec.columns.length + 10).attr("height", g.total + g.below + 6)
      .attr("role", "group").attr("aria-label", `${spec.title}: ${spec.nodes.length} nodes`);
    // What the nodes lead to is at the last position.
    scroll.node().scrollLeft = scroll.node().scrollWidth;
    layers(svg, spec, g, screen, chosen)
      .attr("tabindex", 0).attr("role", "button").attr("aria-label", d => d.label)
      .on("pointermove focus", function (event, d) {
        const box = this.getBoundingClientRect();
        showTip([d.label, `${spec.rows[d.row]}, ${labelled(spec.columns, d.column)}`],
          event.clientX ?? box.left, event.clientY ?? box.bottom);
      })
      .on("pointerleave blur", hideTip)
      .on("click", (_, d) => choose(spec.nodes.indexOf(d)))
      .on("keydown", (event, d) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          choose(spec.nodes.indexOf(d));
        }
      });
    const legend = section.append("p").attr("class", "note legend");
    spec.kinds.forEach((kind, i) => {
      legend.append("span").style("color", kindColor(i)).text("● ");
      legend.append("span").text(`${kind}  `);
    });
    const about = section.append("div").attr("class", "about");

    function list(parent, title, links, end) {
      const box = parent.append("div");
      box.append("h3").text(title);
      const table = box.append("table");
      const sorted = links.slice().sort((a, b) => Math.abs(b[2]) - Math.abs(a[2])).slice(0, 30);
      const line = table.selectAll("tr").data(sorted).join("tr");
      line.append("td").text(d => number(d[2]));
      line.append("td").attr("class", "text").append("button").attr("type", "button")
        .text(d => nodeName(spec, d[end])).on("click", (_, d) => choose(d[end]));
      if (!sorted.length) {
        box.append("p").attr("class", "note").text("none");
      }
    }

    function choose(i) {
      hideTip();
      chosen = i;
      layers(svg, spec, g, screen, i);
      about.selectAll("*").remove();
      about.append("h3").text(nodeName(spec, i));
      const both = about.append("div").attr("class", "sides");
      list(both, "What leads to it", spec.links.filter(link => link[1] === i), 0);
      list(both, "What it leads to", spec.links.filter(link => link[0] === i), 1);
    }
    if (spec.nodes.length) {
      choose(spec.chosen);
    }
  }

  // The page.

  const draw = {heatmap: drawHeatmap, panels: drawPanels, tokens: drawTokens, bars: drawBars, graph: drawGraph,
    table: drawTable, layers: drawLayers};

  function numbersOf(key, ofPanels, ofMaps) {
    const found = page.views.flatMap(spec => (spec.kind === "panels" ? spec.panels.map(panel => panel[ofPanels])
      : spec.kind === "bars" ? spec[key] : spec.kind === "heatmap" ? spec[ofMaps] : []));
    return [...new Set(found.filter(i => i !== undefined && i >= 0))].sort((a, b) => a - b);
  }

  function about(main) {
    const box = main.append("div").attr("class", "about");
    const facts = box.append("p").attr("class", "facts");
    page.provenance.facts.forEach(([name, value]) => {
      const fact = facts.append("span");
      fact.append("span").attr("class", "name").text(`${name} `);
      fact.append("span").text(value);
    });
    page.provenance.prompts.forEach(([name, text]) => {
      const prompt = box.append("p").attr("class", "prompt");
      prompt.append("span").attr("class", "name").text(`${name} `);
      prompt.append("q").text(text);
    });
  }

  function filters(main) {
    const layers = numbersOf("layers", "layer", "rowLayers"), heads = numbersOf("heads", "head", "columnHeads");
    if (layers.length < 2 && heads.length < 2) {
      return;
    }
    const bar = main.append("p").attr("class", "filters");
    for (const [name, numbers] of [["layer", layers], ["head", heads]]) {
      if (numbers.length > 1) {
        const select = bar.append("label").text(`${name[0].toUpperCase()}${name.slice(1)} `)
          .append("select").attr("name", name);
        select.selectAll("option").data(["all", ...numbers]).join("option").text(d => d)
          .property("selected", d => d === (filter[name] ?? "all"));
        select.on("change", () => {
          const index = select.property("selectedIndex");
          filter[name] = index === 0 ? null : numbers[index - 1];
          views(main);
        });
      }
    }
  }

  function views(main) {
    hideTip();
    headListeners = [];
    main.selectAll("section").remove();
    for (const spec of page.views) {
      const section = main.append("section").attr("class", spec.kind);
      section.append("h2").text(spec.title);
      if (spec.note) {
        section.append("p").attr("class", "note").text(spec.note);
      }
      draw[spec.kind](section, spec);
    }
  }

  function render() {
    const main = d3.select("main");
    main.selectAll("*").remove();
    main.append("h1").text(page.title);
    about(main);
    filters(main);
    views(main);
  }
  dark.addEventListener("change", render);
  // A phone that is turned: what is at the end stays in view. Bars of a browser that come and go change the height alone.
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) {
      width = innerWidth;
      render();
    }
  });
  render();
})();
