// A picture large, to draw a box on it: with a pointer, or with the arrow keys.

const croppers = new WeakMap();
const STEP = 0.02; // of a side, for each press of a key
const LEAST = 0.03; // a box of less was a click that slipped

export default function ({ data, parentElement, setTriggerValue }) {
  let cropper = croppers.get(parentElement);
  if (!cropper) croppers.set(parentElement, (cropper = new Cropper(parentElement)));
  cropper.send = (event) => setTriggerValue("act", event);
  cropper.open(data);
  return () => {
    cropper.dialog.close();
    croppers.delete(parentElement);
  };
}

class Cropper {
  constructor(root) {
    this.dialog = root.querySelector(".crop");
    this.stage = root.querySelector(".stage");
    this.image = root.querySelector("img");
    this.frame = root.querySelector(".box");
    this.box = null; // left, top, right, bottom, as shares of the sides
    this.dialog.addEventListener("click", ({ target }) => this.finish(target.closest("button")?.dataset.do));
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault(); // the page closes it, once the server knows
      this.finish("cancel");
    });
    this.stage.addEventListener("pointerdown", (event) => this.started(event));
    this.stage.addEventListener("keydown", (event) => this.pressed(event));
  }

  open({ picture, name, box }) {
    this.box = box;
    this.show();
    this.image.alt = name;
    this.stage.ariaLabel = `${name}: choose a part`;
    this.image.onload = () => {
      const { naturalWidth: width, naturalHeight: height } = this.image;
      this.stage.style.setProperty("--ratio", width / height);
      this.stage.style.setProperty("--most", `${Math.max(2 * width, 320)}px`);
    };
    if (this.image.src !== new URL(picture, location).href) this.image.src = picture;
    if (!this.dialog.open) this.dialog.showModal();
    this.stage.focus({ focusVisible: false });
  }

  finish(what) {
    if (!what) return;
    this.dialog.close();
    this.send(what === "use" ? { do: "use", box: this.box } : { do: what });
  }

  started(event) {
    if (event.button) return;
    event.preventDefault();
    this.stage.focus({ focusVisible: false });
    this.stage.setPointerCapture(event.pointerId);
    const [x, y] = this.place(event);
    const before = this.box;
    const moving = event.target === this.frame;
    const move = (later) => {
      const [toX, toY] = this.place(later);
      if (moving) this.box = moved(before, toX - x, toY - y);
      else this.box = [Math.min(x, toX), Math.min(y, toY), Math.max(x, toX), Math.max(y, toY)];
      this.show();
    };
    const end = () => {
      this.stage.removeEventListener("pointermove", move);
      const [left, top, right, bottom] = this.box ?? [0, 0, 0, 0];
      if (right - left < LEAST || bottom - top < LEAST) this.box = moving ? before : null;
      this.show();
    };
    this.stage.addEventListener("pointermove", move);
    this.stage.addEventListener("lostpointercapture", end, { once: true });
  }

  pressed(event) {
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    event.stopPropagation(); // Streamlit has shortcuts of its own
    if (event.key === "Enter" && this.box) this.finish("use");
    if (!x && !y) return;
    event.preventDefault();
    const box = this.box ?? [0.25, 0.25, 0.75, 0.75];
    this.box = event.shiftKey ? resized(box, x * STEP, y * STEP) : moved(box, x * STEP, y * STEP);
    this.show();
  }

  place({ clientX, clientY }) {
    const { left, top, width, height } = this.image.getBoundingClientRect();
    return [clamp((clientX - left) / width, 0, 1), clamp((clientY - top) / height, 0, 1)];
  }

  show() {
    this.frame.hidden = !this.box;
    this.dialog.querySelector("[data-do=use]").disabled = !this.box;
    if (!this.box) return;
    const [left, top, right, bottom] = this.box.map((edge) => `${100 * edge}%`);
    Object.assign(this.frame.style, { left, top, right: `calc(100% - ${right})`, bottom: `calc(100% - ${bottom})` });
  }
}

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

function moved([left, top, right, bottom], x, y) {
  const [dx, dy] = [clamp(x, -left, 1 - right), clamp(y, -top, 1 - bottom)];
  return [left + dx, top + dy, right + dx, bottom + dy];
}

function resized([left, top, right, bottom], x, y) {
  return [left, top, clamp(right + x, left + LEAST, 1), clamp(bottom + y, top + LEAST, 1)];
}
