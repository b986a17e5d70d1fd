/* Draws the gene that a reader chooses. In: a figure as plots/genes.py writes it, with its data as JSON. No request, no library. */
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const TRACK = 30, GAP = 16, ARCS = 90, EDGE = 4;   // heights of a track, between tracks and of the arcs; room at both sides
  const LABEL_PX = 62;                              // between labels of the axis, at least

  /* A child of an SVG element, with attributes and, to be shown under the pointer, a title. */
  function add(parent, tag, attributes, title) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (title) element.appendChild(document.createElementNS(SVG, "title")).textContent = title;
    return parent.appendChild(element);
  }

  function write(parent, text, attributes) {
    add(parent, "text", { "font-size": 11, fill: "currentColor", ...attributes }).textContent = text;
  }

  const signed = (value) => (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(2);
  const kb = (bp) => (bp < 0 ? "\u2212" : "+") + Math.abs(bp / 1000).toFixed(Math.abs(bp) < 10000 ? 1 : 0);
  const known = (value, text) => (value === null ? "\u2013" : text(value));

  function describe(gene, shared) {
    const pcres = gene.regions.length - 1;
    return `${gene.symbol} (${gene.gene_id}) in ${shared.cell_type}, ${gene.chrom}, strand ${gene.strand}, ${gene.label ? "on" : "off"}: ` +
      `measured ${gene.measured.toFixed(2)}, predicted ${known(gene.predicted, (value) => value.toFixed(2))} ${shared.unit} ` +
      `by a network that did not see fold ${gene.fold}; ${pcres} ${pcres === 1 ? "pCRE" : "pCREs"}.`;
  }

  /* Bars from `base` upwards; `values` of bins of one width, the last of which may be narrower. */
  function drawBars(svg, x, start, end, step, values, top, base, height, attributes) {
    let path = `M${x(start)} ${base}`;
    values.forEach((value, i) => {
      const y = base - height * Math.min(value / top, 1);
      path += `V${y.toFixed(1)}H${x(Math.min(start + step * (i + 1), end)).toFixed(1)}`;
    });
    add(svg, "path", { d: `${path}V${base}`, ...attributes });
  }

  function drawArcs(svg, x, tss, pcres, shared) {
    const span = Math.max(...pcres.map((pcre) => Math.abs((pcre.x_start + pcre.x_end) / 2 - tss)), 1);
    const most = Math.max(...pcres.map((pcre) => Math.abs(pcre.contribution ?? 0)), 1e-9);
    for (const pcre of pcres) {
      const middle = (pcre.x_start + pcre.x_end) / 2, size = Math.abs(pcre.contribution ?? 0) / most;
      const height = (ARCS - 30) * (0.25 + 0.75 * Math.abs(middle - tss) / span);
      const top = ARCS - 2 * height;                                              // a curve reaches half the way to its handle
      const colour = pcre.contribution === null ? "currentColor" : shared.sign_colours[pcre.contribution > 0 ? 1 : 0];
      const score = known(pcre.contribution, signed);
      add(svg, "path", { d: `M${x(tss)} ${ARCS}Q${(x(tss) + x(middle)) / 2} ${top} ${x(middle)} ${ARCS}`, fill: "none", stroke: colour,
        "stroke-width": 1 + 4 * size }, `${pcre.region}: contact ${pcre.contact.toFixed(2)}, score ${score}`);
      write(svg, score, { x: (x(tss) + x(middle)) / 2, y: ARCS - height - 5, "text-anchor": "middle", fill: colour });
    }
  }

  function drawAxis(svg, x, y, gene) {
    const taken = [];
    for (const region of gene.regions) {                                          // the promoter first, then by contact
      const place = x((region.x_start + region.x_end) / 2);
      add(svg, "line", { x1: x(region.x_start), x2: x(region.x_end), y1: y, y2: y, stroke: "currentColor" });
      if (taken.some((other) => Math.abs(place - other) < LABEL_PX)) continue;
      write(svg, region.what === "promoter" ? "TSS" : `${kb(region.distance)} kb`, { x: place, y: y + 14, "text-anchor": "middle" });
      taken.push(place);
    }
  }

  function draw(box, gene, shared) {
    const width = Math.max(box.clientWidth, 280), n_panels = shared.marks.length + shared.bin_bp.length;
    const [promoter, ...pcres] = gene.regions, tss = (promoter.x_start + promoter.x_end) / 2;
    const roof = pcres.length ? ARCS : 0, bottom = roof + n_panels * (TRACK + GAP), height = bottom + 22;
    const svg = document.createElementNS(SVG, "svg");
    for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}`, role: "img" })) svg.setAttribute(name, value);
    const reach = Math.max(...gene.regions.map((region) => region.x_end));
    const x = (place) => EDGE + (width - 2 * EDGE) * place / reach;
    svg.setAttribute("aria-label", `${describe(gene, shared)} Arcs to its pCREs with their scores, tracks of ${shared.marks.join(", ")}, attention.`);
    for (const pcre of pcres) {
      add(svg, "rect", { x: x(pcre.x_start), y: roof, width: x(pcre.x_end) - x(pcre.x_start), height: bottom - roof, fill: "currentColor",
        "fill-opacity": 0.08 }, pcre.region);
    }
    drawArcs(svg, x, tss, pcres, shared);
    let base = roof;
    for (const mark of shared.marks) {
      base += TRACK + GAP;
      for (const region of gene.regions) {
        drawBars(svg, x, region.x_start, region.x_end, shared.step, region.depth[mark], gene.top[mark], base, TRACK, { fill: shared.colours[mark] });
      }
      write(svg, `${mark}, up to ${gene.top[mark].toFixed(1)} reads per bp`, { x: EDGE + 2, y: base - TRACK - 3 });
    }
    for (const [i, bin_bp] of shared.bin_bp.entries()) {
      base += TRACK + GAP;
      const top = Math.max(...gene.attention[i], 1);
      drawBars(svg, x, promoter.x_start, promoter.x_end, bin_bp, gene.attention[i], top, base, TRACK, { fill: "none", stroke: "currentColor" });
      write(svg, `attention, bins of ${bin_bp} bp, up to ${top.toFixed(1)} × even`, { x: EDGE + 2, y: base - TRACK - 3 });
    }
    add(svg, "line", { x1: x(tss), x2: x(tss), y1: roof, y2: bottom, stroke: "currentColor", "stroke-dasharray": "1 3" });
    drawAxis(svg, x, bottom + 2, gene);
    box.replaceChildren(svg);
  }

  function fill(body, gene) {
    body.replaceChildren(...gene.regions.slice(1).map((pcre) => {
      const row = document.createElement("tr");
      const cells = [known(pcre.contribution, signed), kb(pcre.distance), pcre.contact.toFixed(2), pcre.region];
      row.append(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
      return row;
    }));
  }

  function start(figure) {
    const { genes, ...shared } = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    const [select, text, box, body] = ["select", "[aria-live]", ".drawn", "tbody"].map((name) => figure.querySelector(name));
    const show = () => {
      const gene = genes[select.selectedIndex];
      text.textContent = describe(gene, shared);
      draw(box, gene, shared);
      fill(body, gene);
    };
    select.addEventListener("change", show);
    new ResizeObserver(() => draw(box, genes[select.selectedIndex], shared)).observe(box);
    show();
  }

  for (const figure of document.querySelectorAll("figure.choose-gene:not([data-started])")) {
    figure.dataset.started = "";
    start(figure);
  }
})();
