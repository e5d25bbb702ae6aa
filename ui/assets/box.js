// A box on a picture: drawn and moved with a pointer, or with the arrow keys.

const STEP = 0.02; // of a side, for each press of a key
const LEAST = 0.03; // a box of less was a click that slipped

class Box {
  // `onChange` is called with whether there is a box.
  constructor(frame, onChange) {
    this.frame = frame;
    this.onChange = onChange;
    this.box = null; // left, top, right, bottom, as shares of the sides
  }

  set(box) {
    this.box = box;
    this.show();
  }

  get chosen() {
    return this.box && { box: this.box };
  }

  begin(place, target) {
    this.from = place;
    this.before = this.box;
    this.moving = target === this.frame;
  }

  drag([toX, toY]) {
    const [x, y] = this.from;
    if (this.moving) this.set(moved(this.before, toX - x, toY - y));
    else this.set([Math.min(x, toX), Math.min(y, toY), Math.max(x, toX), Math.max(y, toY)]);
  }

  end() {
    const [left, top, right, bottom] = this.box ?? [0, 0, 0, 0];
    if (right - left < LEAST || bottom - top < LEAST) this.set(this.moving ? this.before : null);
  }

  pressed(event) {
    const [x, y] = ARROWS[event.key] ?? [0, 0];
    if (!x && !y) return;
    event.preventDefault();
    const box = this.box ?? [0.25, 0.25, 0.75, 0.75];
    this.set(event.shiftKey ? resized(box, x * STEP, y * STEP) : moved(box, x * STEP, y * STEP));
  }

  show() {
    this.frame.hidden = !this.box;
    this.onChange(Boolean(this.box));
    if (!this.box) return;
    const [left, top, right, bottom] = this.box.map((edge) => `${100 * edge}%`);
    Object.assign(this.frame.style, { left, top, right: `calc(100% - ${right})`, bottom: `calc(100% - ${bottom})` });
  }
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

function moved([left, top, right, bottom], x, y) {
  const [dx, dy] = [clamp(x, -left, 1 - right), clamp(y, -top, 1 - bottom)];
  return [left + dx, top + dy, right + dx, bottom + dy];
}

function resized([left, top, right, bottom], x, y) {
  return [left, top, clamp(right + x, left + LEAST, 1), clamp(bottom + y, top + LEAST, 1)];
}
