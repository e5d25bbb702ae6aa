// A part of a picture, painted on it: with a pointer, or with the arrow keys.

const LONGEST = 768; // pixels of the canvas's longer side; what is sent is far smaller
const RING = 2; // pixels, how wide the edge of what is painted shows

class Brush {
  // `onChange` is called with whether anything is painted that can be used.
  constructor(canvas, tip, onChange) {
    this.canvas = canvas;
    this.tip = tip; // shows where the brush is, and how large
    this.onChange = onChange;
    this.mask = document.createElement("canvas"); // opaque where painted
    this.erasing = false;
    this.size = 0.12; // of the picture's longer side
    this.forget();
  }

  forget() {
    this.edits = []; // all of them since it was opened: undoing one does the others again
    this.begun = null; // what was painted before
    this.small = null; // what is sent
    this.at = [0.5, 0.5]; // shares of the sides
  }

  // `painting`: address of a picture that is opaque where it was painted; null: nowhere. `cells`: along a side of what is sent.
  async open(width, height, painting, cells) {
    const scale = LONGEST / Math.max(width, height);
    for (const canvas of [this.canvas, this.mask])
      Object.assign(canvas, { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) });
    this.cells = cells;
    if (painting) {
      const begun = Object.assign(new Image(), { src: painting });
      await begun.decode();
      this.begun = begun;
    }
    this.again();
    this.moveTip();
  }

  get chosen() {
    return this.small && { painted: this.small };
  }

  // What is sent: white where the picture counts, black elsewhere; null where that is nowhere, or everywhere.
  shrunk() {
    const small = Object.assign(document.createElement("canvas"), { width: this.cells, height: this.cells });
    const pen = small.getContext("2d", { willReadFrequently: true });
    pen.fillRect(0, 0, this.cells, this.cells);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.mask, 0, 0, this.cells, this.cells);
    const { data } = pen.getImageData(0, 0, this.cells, this.cells);
    const counts = data.filter((_, index) => index % 4 === 0).map((red) => red > 127);
    return counts.includes(1) && counts.includes(0) ? small.toDataURL("image/png") : null;
  }

  begin(place) {
    this.edits.push({ size: this.size, erase: this.erasing, points: [place] });
    this.drag(place);
  }

  drag(place) {
    const stroke = this.edits.at(-1);
    this.line(stroke, stroke.points.at(-1), place);
    stroke.points.push(place);
    this.at = place;
    this.moveTip();
    this.show();
  }

  end() {
    this.settle();
  }

  edit(what) {
    if (what === "undo") {
      this.edits.pop();
      this.again();
    } else {
      this.edits.push(what);
      this.apply(what);
      this.settle();
    }
  }

  pressed(event) {
    const [x, y] = ARROWS[event.key] ?? [0, 0];
    if (event.key === " ") this.begin(this.at);
    else if (!x && !y) return;
    event.preventDefault();
    const before = this.at;
    const step = this.size / 2;
    this.at = [clamp(before[0] + (x * step * LONGEST) / this.mask.width, 0, 1), clamp(before[1] + (y * step * LONGEST) / this.mask.height, 0, 1)];
    this.moveTip();
    if (event.shiftKey && (x || y)) {
      const to = this.at;
      this.begin(before);
      this.drag(to);
    }
    this.settle();
  }

  hover(place) {
    this.at = place;
    this.moveTip();
  }

  // Everything that was done, from the beginning.
  again() {
    this.pen.clearRect(0, 0, this.mask.width, this.mask.height);
    if (this.begun) this.pen.drawImage(this.begun, 0, 0, this.mask.width, this.mask.height);
    for (const edit of this.edits) this.apply(edit);
    this.settle();
  }

  apply(edit) {
    const { pen, mask } = this;
    if (edit === "clear") pen.clearRect(0, 0, mask.width, mask.height);
    else if (edit === "invert") {
      pen.globalCompositeOperation = "source-out";
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, mask.width, mask.height);
    } else edit.points.forEach((point, index) => this.line(edit, edit.points[Math.max(0, index - 1)], point));
    pen.globalCompositeOperation = "source-over";
  }

  line({ size, erase }, from, to) {
    const { pen, mask } = this;
    pen.globalCompositeOperation = erase ? "destination-out" : "source-over";
    Object.assign(pen, { strokeStyle: "#fff", lineCap: "round", lineWidth: size * LONGEST });
    pen.beginPath();
    pen.moveTo(from[0] * mask.width, from[1] * mask.height);
    pen.lineTo(to[0] * mask.width, to[1] * mask.height);
    pen.stroke();
    pen.globalCompositeOperation = "source-over";
  }

  get pen() {
    return this.mask.getContext("2d");
  }

  settle() {
    this.small = this.shrunk();
    this.onChange(Boolean(this.small));
    this.show();
  }

  show() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  // What is not painted lies in the dark, with a bright edge to it.
  draw() {
    const { canvas, mask } = this;
    const pen = canvas.getContext("2d");
    pen.globalCompositeOperation = "source-over";
    pen.clearRect(0, 0, canvas.width, canvas.height);
    if (!this.edits.length && !this.begun) return;
    pen.fillStyle = "rgb(0 0 0 / 60%)";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    for (const x of [-RING, 0, RING]) for (const y of [-RING, 0, RING]) pen.drawImage(mask, x, y);
    pen.globalCompositeOperation = "destination-out";
    pen.drawImage(mask, 0, 0);
  }

  moveTip() {
    const [x, y] = this.at;
    const { width, height } = this.mask;
    Object.assign(this.tip.style, { left: `${100 * x}%`, top: `${100 * y}%`, width: `${(100 * this.size * LONGEST) / width}%` });
    this.tip.classList.toggle("erasing", this.erasing);
  }
}
