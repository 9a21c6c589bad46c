// Draws the views of a page from the JSON beside it. Text only ever enters the document as text nodes.
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("loupe-data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const tip = d3.select("#loupe-tip");
  const number = d3.format(".4~g");
  const show = value => (value === null ? "no value" : number(value));
  const clamp = (low, value, high) => Math.max(low, Math.min(high, value));
  const longest = labels => d3.max(labels, label => label.length) ?? 0;

  // A label under the pointer; one that stands in several places is told apart by its index.
  const labelled = (labels, i) =>
    labels.indexOf(labels[i]) === labels.lastIndexOf(labels[i]) ? labels[i] : `${labels[i]} (${i})`;

  // Colour of a number: straight lines between the scale's colours, as in the pictures that Java writes.
  function colors(scale) {
    const anchors = dark.matches ? scale.dark : scale.light;
    const [low, high] = scale.domain;
    const stops = anchors.map((_, i) => low + ((high - low) * i) / (anchors.length - 1));
    const color = d3.scaleLinear(stops, anchors).clamp(true);
    return value => (value === null ? "none" : color(value));
  }

  function ink(background) {
    const c = d3.rgb(background);
    return 0.299 * c.r + 0.587 * c.g + 0.114 * c.b > 140 ? "#000" : "#fff";
  }

  function showTip(lines, x, y) {
    tip.selectAll("div").data(lines).join("div").text(line => line);
    tip.classed("shown", true);
    const box = tip.node().getBoundingClientRect();
    tip.style("left", `${clamp(4, x + 14, innerWidth - box.width - 4)}px`)
       .style("top", `${y + 18 + box.height > innerHeight ? Math.max(4, y - box.height - 10) : y + 18}px`);
  }

  const hideTip = () => tip.classed("shown", false);

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

  function cellSize(spec) {
    if (spec.texts) {
      return {width: clamp(44, 8 + 6.6 * d3.max(spec.texts, longest), 120), height: 22};
    }
    const side = clamp(5, Math.floor(620 / Math.max(spec.rows.length, spec.columns.length, 1)), 34);
    return {width: side, height: side};
  }

  function thumbnail(parent, spec, values) {
    parent.append("img").attr("alt", "").attr("class", "cells").attr("src", pixels(values, colors(spec.scale)));
  }

  // A matrix with labels, a colour bar, and the cell under the pointer or the arrow keys explained.
  function heatmap(parent, spec, values, name, onRow = () => {}) {
    const color = colors(spec.scale);
    const {width, height} = cellSize(spec);
    const rows = spec.rows.length, columns = spec.columns.length;
    const left = 24 + 7 * Math.min(24, longest(spec.rows));
    const below = 30 + 6 * Math.min(24, longest(spec.columns));
    const inner = {width: width * columns, height: height * rows};
    const svg = parent.append("svg")
      .attr("class", "heatmap")
      .attr("width", left + inner.width + 96).attr("height", inner.height + below + 12)
      .attr("role", "img").attr("tabindex", 0)
      .attr("aria-label", `${name}: ${rows} by ${columns} cells, ${spec.rowName} by ${spec.columnName}. `
        + "Arrow keys move from cell to cell.");
    const plot = svg.append("g").attr("transform", `translate(${left},6)`);
    plot.append("rect").attr("class", "nothing").attr("width", inner.width).attr("height", inner.height);
    plot.append("image").attr("class", "cells").attr("href", pixels(values, color))
      .attr("width", inner.width).attr("height", inner.height).attr("preserveAspectRatio", "none");
    if (spec.texts) {
      plot.selectAll("text.cell")
        .data(spec.texts.flatMap((row, y) => row.map((text, x) => ({text, x, y}))))
        .join("text").attr("class", "cell")
        .attr("x", d => (d.x + 0.5) * width).attr("y", d => (d.y + 0.5) * height + 4)
        .style("fill", d => (values[d.y][d.x] === null ? null : ink(color(values[d.y][d.x]))))
        .text(d => (d.text.length * 6.6 > width ? `${d.text.slice(0, Math.floor(width / 6.6) - 1)}…` : d.text));
    }
    // Where cells are smaller than letters, every second or third label stands for the others.
    const some = (labels, size) => labels.map((label, i) => ({label: label.slice(0, 24), i}))
      .filter(d => d.i % Math.ceil(11 / size) === 0);
    plot.selectAll("text.row").data(some(spec.rows, height)).join("text").attr("class", "row")
      .attr("x", -5).attr("y", d => (d.i + 0.5) * height + 4).text(d => d.label);
    plot.selectAll("text.column").data(some(spec.columns, width)).join("text").attr("class", "column")
      .attr("transform", d => `translate(${(d.i + 0.5) * width + 3},${inner.height + 8}) rotate(-60)`)
      .text(d => d.label);
    plot.append("text").attr("class", "axis").attr("x", inner.width / 2).attr("y", inner.height + below)
      .text(spec.columnName);
    plot.append("text").attr("class", "axis").attr("transform",
      `translate(${10 - left},${inner.height / 2}) rotate(-90)`).text(spec.rowName);
    colorBar(svg.append("g").attr("transform", `translate(${left + inner.width + 18},6)`),
      spec.scale, Math.min(140, Math.max(48, inner.height)));
    const mark = plot.append("rect").attr("class", "mark").attr("width", width).attr("height", height);
    let at = null;

    function probe(y, x, clientX, clientY) {
      at = [y, x];
      mark.attr("x", x * width).attr("y", y * height).classed("shown", true);
      const lines = spec.tips?.[y]?.[x]
        ?? [`${spec.rowName}: ${labelled(spec.rows, y)}`, `${spec.columnName}: ${labelled(spec.columns, x)}`,
          show(values[y][x])].filter(line => line !== ": ");
      showTip(lines, clientX, clientY);
      onRow(y);
    }
    svg.on("pointermove", event => {
      const [px, py] = d3.pointer(event, plot.node());
      const x = Math.floor(px / width), y = Math.floor(py / height);
      if (x >= 0 && x < columns && y >= 0 && y < rows) {
        probe(y, x, event.clientX, event.clientY);
      } else {
        leave();
      }
    });
    function leave() {
      mark.classed("shown", false);
      hideTip();
    }
    svg.on("pointerleave blur", leave);
    const steps = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]};
    svg.on("keydown", event => {
      const step = steps[event.key];
      if (!step || !rows || !columns) {
        return;
      }
      event.preventDefault();
      const [y, x] = at === null ? [0, 0] : [at[0] + step[0], at[1] + step[1]];
      const cell = [clamp(0, y, rows - 1), clamp(0, x, columns - 1)];
      const origin = plot.select("rect.nothing").node().getBoundingClientRect();
      probe(cell[0], cell[1], origin.left + (cell[1] + 1) * width, origin.top + (cell[0] + 0.5) * height);
    });
  }

  function colorBar(group, scale, length) {
    const color = colors(scale);
    const [low, high] = scale.domain;
    const steps = d3.range(64);
    group.selectAll("rect").data(steps).join("rect")
      .attr("width", 10).attr("height", length / 64 + 0.5).attr("y", i => (i * length) / 64)
      .attr("fill", i => color(high - ((high - low) * i) / 63));
    group.selectAll("text").data([high, (low + high) / 2, low]).join("text").attr("class", "tick")
      .attr("x", 14).attr("y", (_, i) => (i * length) / 2 + 4).text(value => number(value));
  }

  // Numbers for those who can't see colours; built when it is opened.
  function table(parent, spec, values) {
    const details = parent.append("details");
    details.append("summary").text("Numbers");
    details.on("toggle", () => {
      if (!details.select("table").empty()) {
        return;
      }
      const body = details.append("div").attr("class", "scroll").append("table");
      body.append("tr").selectAll("th").data([`${spec.rowName} \\ ${spec.columnName}`, ...spec.columns])
        .join("th").attr("scope", "col").text(d => d);
      const lines = body.selectAll("tr.line").data(values).join("tr").attr("class", "line");
      lines.append("th").attr("scope", "row").text((_, y) => spec.rows[y]);
      lines.selectAll("td").data((row, y) => row.map((value, x) =>
        spec.texts ? `${spec.texts[y][x]} ${show(value)}` : show(value))).join("td").text(d => d);
    });
  }

  function drawHeatmap(section, spec) {
    heatmap(section.append("div").attr("class", "scroll"), spec, spec.values, spec.title);
    table(section, spec, spec.values);
  }

  // Many matrices with the same labels: thumbnails, one of them large.
  function drawPanels(section, spec) {
    const thumbs = section.append("div").attr("class", "thumbs").attr("role", "group")
      .attr("aria-label", `${spec.title}: choose a panel`);
    thumbs.style("grid-template-columns", `repeat(${spec.perRow}, 72px)`);
    const large = section.append("div").attr("class", "large");
    const buttons = thumbs.selectAll("button").data(spec.panels).join("button").attr("type", "button");
    buttons.each(function (panel) {
      thumbnail(d3.select(this), spec, panel.values);
      d3.select(this).append("span").text(panel.name);
    });
    buttons.on("click", (_, panel) => choose(panel));

    function choose(panel) {
      buttons.attr("aria-pressed", other => String(other === panel));
      large.selectAll("*").remove();
      large.append("h3").text(panel.name);
      let strip = () => {};
      if (spec.tokens) {
        const line = large.append("p").attr("class", "tokens");
        strip = row => {
          line.attr("data-row", row);
          tokens(line, spec.columns, panel.values[row], spec.scale, i => [
            `${labelled(spec.rows, row)} → ${labelled(spec.columns, i)}`, show(panel.values[row][i])], i => strip(i), row);
        };
      }
      heatmap(large.append("div").attr("class", "scroll"), spec, panel.values, panel.name, row => strip(row));
      strip(spec.rows.length - 1);
      table(large, spec, panel.values);
    }
    if (spec.panels.length) {
      // Of attention patterns the first; of what a sweep measured the one that has the strongest cell.
      const strongest = panel => d3.max(panel.values.flat(), Math.abs) ?? 0;
      choose(spec.tokens ? spec.panels[0] : d3.greatest(spec.panels, strongest));
    }
  }

  // Tokens in a line of text, each on its own colour.
  function tokens(line, labels, values, scale, explain, onChoose = () => {}, chosen = -1) {
    const color = colors(scale);
    line.selectAll("span").data(labels).join("span").text(label => label)
      .classed("chosen", (_, i) => i === chosen)
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
    if (spec.series.length > 1) {
      const label = section.append("label").text("Values: ");
      const select = label.append("select");
      select.selectAll("option").data(spec.series).join("option").text(series => series.name);
      select.on("change", () => draw(spec.series[select.property("selectedIndex")]));
    }
    const line = section.append("p").attr("class", "tokens");
    const bar = section.append("svg").attr("class", "heatmap").attr("width", 110).attr("height", 76);
    draw = series => {
      tokens(line, spec.labels, series.values, spec.scale, i => [
        spec.labels[i], `${series.name}: ${show(series.values[i])}`]);
      bar.selectAll("*").remove();
      colorBar(bar.append("g").attr("transform", "translate(4,8)"), spec.scale, 60);
    };
    draw(spec.series[0]);
  }

  // Nodes in rows from the bottom up, and edges between them.
  function drawGraph(section, spec) {
    const color = colors(spec.scale);
    const strongest = spec.scale.domain[1];
    const width = Math.max(320, 84 * spec.columns), step = 62, height = 40 + step * (spec.rows - 1);
    const x = node => (node.column < 0 ? width / 2 : ((node.column + 0.5) * width) / spec.columns);
    const y = node => height - 20 - step * node.row;
    const svg = section.append("div").attr("class", "scroll").append("svg").attr("class", "graph")
      .attr("width", width + 20).attr("height", height).attr("role", "img")
      .attr("aria-label", `${spec.title}: ${spec.nodes.length} nodes, ${spec.edges.length} edges`);
    const name = edge => `${spec.nodes[edge.from].name} → ${spec.nodes[edge.to].name}${edge.label ? ` (${edge.label})` : ""}`;
    svg.selectAll("path").data(d3.sort(spec.edges, edge => Math.abs(edge.score))).join("path")
      .attr("d", edge => {
        const from = spec.nodes[edge.from], to = spec.nodes[edge.to];
        const bend = (y(to) - y(from)) / 2;
        return `M${x(from)},${y(from) - 9}C${x(from)},${y(from) + bend} ${x(to)},${y(to) - bend} ${x(to)},${y(to) + 9}`;
      })
      .attr("stroke", edge => color(edge.score < 0 ? Math.min(edge.score, -0.3 * strongest) : Math.max(edge.score, 0.3 * strongest)))
      .attr("stroke-width", edge => 0.8 + (4.2 * Math.abs(edge.score)) / strongest)
      .on("pointermove", (event, edge) => showTip([name(edge), show(edge.score)], event.clientX, event.clientY))
      .on("pointerleave", hideTip);
    const boxes = svg.selectAll("g").data(spec.nodes).join("g")
      .attr("transform", node => `translate(${x(node)},${y(node)})`);
    boxes.append("rect").attr("x", -32).attr("y", -9).attr("width", 64).attr("height", 18).attr("rx", 4);
    boxes.append("text").attr("y", 4).text(node => node.name);
    const details = section.append("details");
    details.append("summary").text("Numbers");
    const body = details.append("div").attr("class", "scroll").append("table");
    body.append("tr").selectAll("th").data(["edge", "score"]).join("th").attr("scope", "col").text(d => d);
    const lines = body.selectAll("tr.line").data(spec.edges).join("tr").attr("class", "line");
    lines.append("th").attr("scope", "row").text(name);
    lines.append("td").text(edge => show(edge.score));
  }

  function drawTable(section, spec) {
    const table = section.append("div").attr("class", "scroll").append("table").attr("class", "texts");
    table.append("tr").selectAll("th").data(spec.columns).join("th").attr("scope", "col").text(d => d);
    table.selectAll("tr.line").data(spec.rows).join("tr").attr("class", "line")
      .selectAll("td").data(row => row).join("td").text(d => d);
  }

  // Nodes over tokens, layer above layer. The links of one node are drawn, and listed with their weights.
  function drawLayers(section, spec) {
    const size = 13, perLine = 6;
    const cells = d3.group(spec.nodes.map((node, i) => ({...node, i})), d => d.row, d => d.column);
    const wide = d3.max(cells.values(), row => d3.max(row.values(), cell => cell.length)) ?? 1;
    const width = Math.max(64, Math.min(wide, perLine) * size + 14);
    const heights = spec.rows.map((_, row) =>
      16 + size * Math.max(1, d3.max(cells.get(row)?.values() ?? [], cell => Math.ceil(cell.length / perLine)) ?? 1));
    const total = d3.sum(heights);
    const bottoms = heights.map((_, row) => total - d3.sum(heights.slice(0, row)));
    const left = 24 + 7 * Math.min(16, longest(spec.rows));
    const at = new Map();
    for (const [row, columns] of cells) {
      for (const [column, cell] of columns) {
        cell.forEach((node, k) => at.set(node.i, {
          x: column * width + 10 + (k % perLine) * size + size / 2,
          y: bottoms[row] - 10 - Math.floor(k / perLine) * size - size / 2}));
      }
    }
    const svg = section.append("div").attr("class", "scroll").append("svg").attr("class", "heatmap layered")
      .attr("width", left + width * spec.columns.length + 10).attr("height", total + 70)
      .attr("role", "group").attr("aria-label", `${spec.title}: ${spec.nodes.length} nodes`);
    const plot = svg.append("g").attr("transform", `translate(${left},6)`);
    plot.selectAll("rect.band").data(spec.rows).join("rect").attr("class", "band")
      .attr("y", (_, row) => bottoms[row] - heights[row]).attr("height", (_, row) => heights[row])
      .attr("width", width * spec.columns.length).style("opacity", (_, row) => row % 2);
    plot.selectAll("text.row").data(spec.rows).join("text").attr("class", "row")
      .attr("x", -6).attr("y", (_, row) => bottoms[row] - heights[row] / 2 + 4).text(d => d.slice(0, 16));
    plot.selectAll("text.column").data(spec.columns).join("text").attr("class", "column")
      .attr("transform", (_, i) => `translate(${i * width + width / 2},${total + 10}) rotate(-45)`)
      .text(d => d.slice(0, 14));
    const lines = plot.append("g").attr("class", "links");
    const color = d3.scaleOrdinal(d3.range(spec.kinds.length), ["#2563eb", "#9ca3af", "#059669", "#d97706"]);
    const nodes = plot.selectAll("circle").data(spec.nodes).join("circle")
      .attr("r", size / 2 - 1.5).attr("cx", (_, i) => at.get(i).x).attr("cy", (_, i) => at.get(i).y)
      .style("fill", d => color(d.kind)).attr("tabindex", 0).attr("role", "button").attr("aria-label", d => d.label)
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
      legend.append("span").style("color", color(i)).text("● ");
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
        .text(d => `${spec.rows[spec.nodes[d[end]].row]} · ${labelled(spec.columns, spec.nodes[d[end]].column)} · `
          + spec.nodes[d[end]].label)
        .on("click", (_, d) => choose(d[end]));
      if (!sorted.length) {
        box.append("p").attr("class", "note").text("none");
      }
    }

    function choose(i) {
      hideTip();
      const links = spec.links.filter(link => link[0] === i || link[1] === i);
      const largest = d3.max(links, link => Math.abs(link[2])) || 1;
      lines.selectAll("line").data(links).join("line")
        .attr("x1", d => at.get(d[0]).x).attr("y1", d => at.get(d[0]).y)
        .attr("x2", d => at.get(d[1]).x).attr("y2", d => at.get(d[1]).y)
        .style("stroke", d => (d[2] < 0 ? "#dc2626" : "#16a34a"))
        .style("stroke-width", d => 0.5 + (4 * Math.abs(d[2])) / largest);
      nodes.classed("chosen", (_, k) => k === i)
        .classed("linked", (_, k) => links.some(link => link[0] === k || link[1] === k));
      about.selectAll("*").remove();
      about.append("h3").text(`${spec.rows[spec.nodes[i].row]} · ${labelled(spec.columns, spec.nodes[i].column)} · `
        + spec.nodes[i].label);
      const both = about.append("div").attr("class", "sides");
      list(both, "What leads to it", links.filter(link => link[1] === i), 0);
      list(both, "What it leads to", links.filter(link => link[0] === i), 1);
    }
    if (spec.nodes.length) {
      choose(spec.chosen);
    }
  }

  const draw = {heatmap: drawHeatmap, panels: drawPanels, tokens: drawTokens, graph: drawGraph, table: drawTable,
    layers: drawLayers};

  function render() {
    hideTip();
    const main = d3.select("main");
    main.selectAll("*").remove();
    main.append("h1").text(page.title);
    for (const spec of page.views) {
      const section = main.append("section");
      section.append("h2").text(spec.title);
      if (spec.note) {
        section.append("p").attr("class", "note").text(spec.note);
      }
      draw[spec.kind](section, spec);
    }
  }
  dark.addEventListener("change", render);
  render();
})();
