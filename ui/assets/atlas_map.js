// The map itself: points by WebGL (regl-scatterplot), pictures, marks and names on a canvas above them.

const LIBRARY = "/vendor/regl-scatterplot-1.16.0.min.js";
const WIDE = 0.95; // where the map ends, between -1 and 1
const FEW = 300; // pictures that lie on a grid, _MOST_ON_GRID of stylesearch/projection.py
const CLICK = 5; // pixels that a hand may tremble
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** N pictures out of what `ui.atlas_routes.points_of` writes. */
function readPoints(buffer, familyOf) {
  const count = new DataView(buffer).getUint32(0, true);
  const ids = new Float64Array(buffer, 8, count);
  const places = new Uint16Array(buffer, 8 + 8 * count, 2 * count);
  const branches = new Uint16Array(buffer, 8 + 12 * count, count);
  const [x, y] = [new Float32Array(count), new Float32Array(count)];
  const families = new Float32Array(count);
  const rank = new Uint32Array(count);
  for (let index = 0; index < count; index++) {
    x[index] = (places[2 * index] / 65535 - 0.5) * 2 * WIDE;
    y[index] = (places[2 * index + 1] / 65535 - 0.5) * 2 * WIDE;
    families[index] = familyOf.get(branches[index]) ?? 0;
    rank[index] = 2 ** 24 + (Math.imul(ids[index] | 0, 2654435761) >>> 8); // any order that stays
  }
  return { count, ids, x, y, branches, families, rank, places: new Map(Array.from(ids, (id, index) => [id, index])) };
}

/** Colours of families, apart in hue and, where hues come near, in lightness. */
function familyColours(count) {
  const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  return Array.from({ length: count }, (_, number) => {
    pen.fillStyle = `oklch(${[0.7, 0.6, 0.78][number % 3]} 0.14 ${(number * 137.5 + 30) % 360})`;
    pen.fillRect(0, 0, 1, 1);
    const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data;
    return `#${[red, green, blue].map((value) => value.toString(16).padStart(2, "0")).join("")}`;
  });
}

class StyleMap {
  constructor(box, tell) {
    this.box = box;
    this.tell = tell; // { hovered(index, x, y), clicked(index), chosen(indices) }
    [this.canvas, this.above] = box.querySelectorAll("canvas");
    this.tiles = new Tiles(() => this.redraw());
    this.marked = new Set();
    this.picked = new Set();
    this.labels = [];
    this.hovered = -1;
    this.observer = new ResizeObserver(() => this.resize());
    this.canvas.addEventListener("pointermove", (event) => this.pointed(event));
    this.canvas.addEventListener("pointerleave", () => this.hover(-1));
    this.canvas.addEventListener("pointerdown", (event) => (this.pressedAt = [event.clientX, event.clientY]));
    this.canvas.addEventListener("click", (event) => this.clicked(event));
  }

  async open(buffer, familyOf, labels, colours) {
    const { default: createScatterplot } = await import(new URL(LIBRARY, document.baseURI).href);
    this.points = readPoints(buffer, familyOf);
    this.points.colours = this.colours = colours;
    this.labels = labels;
    const { width, height } = this.box.getBoundingClientRect();
    const { count } = this.points;
    this.gap = count <= FEW ? distanceApart(this.points) : 0;
    this.plot?.destroy();
    this.plot = createScatterplot({
      canvas: this.canvas,
      width,
      height,
      backgroundColor: this.style().paper,
      colorBy: "valueA",
      pointColor: colours,
      pointColorActive: this.style().ink,
      pointColorHover: this.style().ink,
      lassoColor: this.style().ink,
      pointSize: count < 500 ? 9 : count < 5_000 ? 6 : count < 30_000 ? 4 : 2.5,
      pointScaleMode: "constant",
      opacity: 0.75,
      showReticle: false,
      lassoInitiator: false,
      deselectOnDblClick: false,
    });
    this.plot.subscribe("view", ({ view }) => this.moved(view));
    this.plot.subscribe("pointOver", (index) => this.overPoint(index));
    this.plot.subscribe("pointOut", () => this.overPoint(-1));
    this.plot.subscribe("lassoStart", () => (this.lassoed = true)); // its end is told after the selection
    this.plot.subscribe("select", ({ points }) => this.selected(points));
    this.plot.subscribe("deselect", () => {
      this.pick([]);
      this.tell.chosen([]);
    });
    const { x, y, families } = this.points;
    await this.plot.draw({ x, y, valueA: families }, { zDataType: "categorical" });
    this.observer.observe(this.box);
    await this.fit(false);
    this.moved([...this.plot.get("cameraView")]);
  }

  close() {
    this.observer.disconnect();
    clearTimeout(this.resting);
    this.plot?.destroy();
    this.plot = undefined;
  }

  style() {
    const { color, backgroundColor, fontFamily } = getComputedStyle(this.box);
    return { ink: hex(color), paper: hex(backgroundColor), font: fontFamily };
  }

  /** The whole map, clear of the tools at its top. */
  fit(transition = true) {
    const { x, y } = this.points;
    const { width, height } = this.box.getBoundingClientRect();
    const [left, right] = extent(x);
    const [low, high] = extent(y);
    const { gap } = this; // what pictures on a grid take beyond the outermost points
    const [across, down] = gap ? [40, 100] : [150, 200];
    const scale = Math.min((width - across) / (right - left + gap), (height - down) / (high - low + gap), height);
    const [wide, tall] = [width / scale, height / scale];
    return this.zoomTo(
      { x: (left + right - wide) / 2, y: (low + high - tall) / 2 + 25 / scale, width: wide, height: tall },
      transition,
    );
  }

  zoomTo(area, transition = true) {
    return this.plot.zoomToArea(area, { transition: transition && !calm(), transitionDuration: 500 });
  }

  zoomToPictures(indices) {
    const [left, right] = middle(indices.map((index) => this.points.x[index]));
    const [low, high] = middle(indices.map((index) => this.points.y[index]));
    const room = 0.02 + 0.1 * Math.max(right - left, high - low);
    this.zoomTo({ x: left - room, y: low - room, width: right - left + 2 * room, height: high - low + 2 * room });
  }

  /** Moves by shares of the window, and zooms by a factor. */
  go(across, down, nearer = 1) {
    const { scale, left, top, width, height } = this.view;
    const [wide, high] = [width / scale / nearer, height / scale / nearer];
    const x = (width / 2 - left) / scale + across * wide;
    const y = (top - height / 2) / scale - down * high;
    this.zoomTo({ x: x - wide / 2, y: y - high / 2, width: wide, height: high }, nearer !== 1);
  }

  mode(name) {
    this.plot.set({ mouseMode: name === "lasso" ? "lasso" : "panZoom" });
  }

  mark(indices) {
    const { rank } = this.points;
    this.marked.forEach((index) => (rank[index] += 2 ** 24));
    this.marked = new Set(indices);
    this.marked.forEach((index) => (rank[index] -= 2 ** 24)); // before any other
    this.plot.set({ opacity: this.marked.size ? 0.3 : 0.75 });
    this.redraw(true);
  }

  choose(indices) {
    this.pick(indices);
    if (indices.length) this.plot.select(indices, { preventEvent: true });
    else this.plot.deselect({ preventEvent: true });
  }

  pick(indices) {
    this.picked = new Set(indices);
    this.redraw();
  }

  resize() {
    const { width, height } = this.box.getBoundingClientRect();
    if (!this.plot || !width || !height) return;
    this.plot.set({ width, height });
    this.moved([...this.plot.get("cameraView")]);
  }

  moved(view) {
    const { width, height } = this.box.getBoundingClientRect();
    // Projection and camera of regl-scatterplot, to pixels.
    const scale = (height / 2) * view[0];
    this.view = { scale, left: width / 2 + (height / 2) * view[12], top: height / 2 - (height / 2) * view[13], width, height };
    this.redraw(true);
    this.hover(-1);
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.tiles.load(), 120); // not while it is being moved
  }

  redraw(chooseAgain = false) {
    this.choosing ||= chooseAgain;
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined;
      if (!this.plot || !this.view) return;
      const near = Math.sqrt(this.view.scale / (this.view.height / 2));
      if (this.choosing && this.gap) this.tiles.chooseAll(this.points, this.view, this.gap);
      else if (this.choosing) this.tiles.choose(this.points, this.view, Math.max(44, 44 * near)); // small from far away
      this.choosing = false;
      this.paint();
    });
  }

  paint() {
    const { width, height } = this.view;
    const density = devicePixelRatio;
    if (this.above.width !== Math.round(width * density) || this.above.height !== Math.round(height * density))
      Object.assign(this.above, { width: Math.round(width * density), height: Math.round(height * density) });
    const pen = this.above.getContext("2d");
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.clearRect(0, 0, width, height);
    const style = this.style();
    this.paintMarks(pen, style);
    this.tiles.draw(pen, this.points, (index) => this.marked.has(index) || this.picked.has(index), style.ink);
    this.paintNames(pen, style);
    this.box.dataset.pictures = this.tiles.shown.filter(({ index }) => this.tiles.kept.has(this.points.ids[index])).length;
  }

  paintMarks(pen, { ink, paper }) {
    const { scale, left, top } = this.view;
    for (const index of this.marked) {
      pen.beginPath();
      pen.arc(left + scale * this.points.x[index], top - scale * this.points.y[index], 6, 0, 2 * Math.PI);
      Object.assign(pen, { fillStyle: this.colours[this.points.families[index]], strokeStyle: ink, lineWidth: 2.5 });
      pen.fill();
      pen.stroke();
    }
  }

  /** Names of families, those of the largest first, where there is room. */
  paintNames(pen, { ink, paper, font }) {
    const { scale, left, top, width, height } = this.view;
    if (scale > 3 * (height / 2)) return; // near by, pictures say more
    Object.assign(pen, { font: `600 13px ${font}`, textBaseline: "middle" });
    const taken = [];
    for (const { name, middle: [x, y], number } of this.labels) {
      const text = name.length > 28 ? `${name.slice(0, 27)}…` : name;
      const wide = pen.measureText(text).width + 32;
      const across = Math.min(Math.max(left + scale * (x - 0.5) * 2 * WIDE - wide / 2, 6), width - wide - 6);
      const down = Math.min(Math.max(top - scale * (y - 0.5) * 2 * WIDE + 34, 60), height - 30);
      if (taken.some((one) => Math.abs(one.across - across) < (one.wide + wide) / 2 + 6 && Math.abs(one.down - down) < 28)) continue;
      taken.push({ across, down, wide });
      pen.fillStyle = paper;
      pen.globalAlpha = 0.9;
      pen.beginPath();
      pen.roundRect(across, down - 12, wide, 24, 12);
      pen.fill();
      pen.globalAlpha = 1;
      pen.fillStyle = this.colours[number];
      pen.beginPath();
      pen.arc(across + 13, down, 5, 0, 2 * Math.PI);
      pen.fill();
      pen.fillStyle = ink;
      pen.fillText(text, across + 23, down + 0.5);
    }
  }

  pointed(event) {
    const box = this.canvas.getBoundingClientRect();
    this.mouse = [event.clientX - box.left, event.clientY - box.top];
    if (event.buttons) return this.hover(-1);
    const tile = this.tiles.at(...this.mouse);
    this.onTile = tile >= 0;
    if (this.onTile || !this.overIndex || this.overIndex < 0) this.hover(tile);
    return undefined;
  }

  overPoint(index) {
    this.overIndex = index;
    if (!this.onTile) this.hover(index);
  }

  hover(index) {
    this.hovered = index;
    this.tell.hovered(index, ...(this.mouse ?? [0, 0]));
  }

  clicked(event) {
    const [x, y] = this.pressedAt ?? [Infinity, Infinity];
    const still = Math.hypot(event.clientX - x, event.clientY - y) < CLICK;
    if (still && !event.shiftKey && this.hovered >= 0) this.tell.clicked(this.hovered);
  }

  selected(points) {
    if (this.lassoed) {
      this.pick(points);
      this.tell.chosen(points);
    } else this.plot.deselect({ preventEvent: true }); // a click opens; it does not select
    this.lassoed = false;
  }
}

function extent(values) {
  let [least, most] = [Infinity, -Infinity];
  for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
  return [least, most];
}

/** Between a picture and the nearest other one: the median, as those that came later may lie anywhere. */
function distanceApart({ x, y, count }) {
  if (count < 2) return 0.4;
  const nearest = Array.from(x, (_, one) => {
    let least = Infinity;
    for (let other = 0; other < count; other++)
      if (other !== one) least = Math.min(least, Math.hypot(x[one] - x[other], y[one] - y[other]));
    return least;
  });
  return Math.min(0.5, nearest.sort((a, b) => a - b)[count >> 1]) || 0.1;
}

/** Where nineteen of twenty lie. */
function middle(values) {
  const sorted = Float32Array.from(values).sort();
  return [sorted[Math.floor(0.025 * (sorted.length - 1))], sorted[Math.ceil(0.975 * (sorted.length - 1))]];
}

function hex(colour) {
  const pen = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  return `#${[...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}
