// A picture large, to choose the part of it that counts: in a box, or with a brush.

const croppers = new WeakMap();
const HINTS = {
  box: "Draw a box on the picture. Only what is in it will be looked for.",
  brush: "Paint over what counts. Only what is painted will be looked for.",
};

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
    this.find = (selector) => this.dialog.querySelector(selector);
    this.stage = this.find(".stage");
    this.image = this.find("img");
    const changed = (tool) => (usable) => this.tool === tool && this.changed(usable);
    this.tools = {
      box: new Box(this.find(".box"), changed("box")),
      brush: new Brush(this.find("canvas"), this.find(".tip"), changed("brush")),
    };
    const on = (target, kind, listener) => target.addEventListener(kind, listener);
    on(this.dialog, "click", ({ target }) => this.clicked(target.closest("button")?.dataset));
    on(this.dialog, "change", ({ target }) => this.changedControl(target));
    on(this.dialog, "keydown", (event) => this.pressed(event));
    on(this.dialog, "cancel", (event) => {
      event.preventDefault(); // the page closes it, once the server knows
      this.finish("cancel");
    });
    on(this.find(".size input"), "input", ({ target }) => this.resize(Number(target.value)));
    on(this.stage, "pointerdown", (event) => this.started(event));
    on(this.stage, "pointermove", (event) => this.tool === "brush" && !this.drawing && this.tools.brush.hover(this.place(event)));
  }

  open({ picture, name, box, painting, cells }) {
    if (this.dialog.open) return; // it was drawn again: what was done here stays
    this.tools.box.set(box);
    this.tools.brush.forget();
    this.image.alt = name;
    this.stage.ariaLabel = `${name}: choose a part`;
    this.image.onload = () => {
      const { naturalWidth: width, naturalHeight: height } = this.image;
      this.stage.style.setProperty("--ratio", width / height);
      this.stage.style.setProperty("--most", `${Math.max(2 * width, 320)}px`);
      this.tools.brush.open(width, height, painting, cells);
    };
    this.image.onerror = () => {
      this.stage.hidden = true;
      this.find(".missing").hidden = false;
    };
    this.image.src = picture;
    this.dialog.showModal();
    this.take(painting ? "brush" : "box");
    this.stage.focus({ focusVisible: false });
  }

  // Changes to the box or to the brush.
  take(tool) {
    this.tool = tool;
    this.find(`[name=how][value=${tool}]`).checked = true;
    this.find(".hint").textContent = HINTS[tool];
    this.find(".tools").hidden = this.find("canvas").hidden = this.find(".tip").hidden = tool !== "brush";
    for (const keys of this.dialog.querySelectorAll("[data-keys]")) keys.hidden = keys.dataset.keys !== tool;
    this.stage.classList.toggle("painting", tool === "brush");
    if (tool === "brush") this.find(".box").hidden = true;
    else this.tools.box.show();
    this.changed(Boolean(this.tools[tool].chosen));
  }

  changed(usable) {
    this.find("[data-do=use]").disabled = !usable;
    this.find("[data-edit=undo]").disabled = this.find("[data-edit=clear]").disabled = !this.tools.brush.edits.length;
    if (this.tools.brush.begun) this.find("[data-edit=clear]").disabled = false;
  }

  finish(what) {
    this.dialog.close();
    this.send(what === "use" ? { do: "use", ...this.tools[this.tool].chosen } : { do: what });
  }

  clicked(asked) {
    if (asked?.do) this.finish(asked.do);
    else if (asked?.edit) this.tools.brush.edit(asked.edit);
  }

  changedControl({ name, value }) {
    if (name === "how") this.take(value);
    else if (name === "tool") this.erase(value === "erase");
  }

  erase(erasing) {
    this.find(`[name=tool][value=${erasing ? "erase" : "paint"}]`).checked = true;
    this.tools.brush.erasing = erasing;
    this.tools.brush.moveTip();
  }

  // `percent`: of the picture's longer side.
  resize(percent) {
    const input = this.find(".size input");
    input.value = percent;
    this.tools.brush.size = Number(input.value) / 100; // within its bounds
    this.tools.brush.moveTip();
  }

  started(event) {
    if (event.button) return;
    event.preventDefault();
    this.stage.focus({ focusVisible: false });
    this.stage.setPointerCapture(event.pointerId);
    const tool = this.tools[this.tool];
    this.drawing = true;
    tool.begin(this.place(event), event.target);
    const move = (later) => {
      const moves = later.getCoalescedEvents();
      for (const one of moves.length ? moves : [later]) tool.drag(this.place(one));
    };
    const end = () => {
      this.drawing = false;
      this.stage.removeEventListener("pointermove", move);
      tool.end();
    };
    this.stage.addEventListener("pointermove", move);
    this.stage.addEventListener("lostpointercapture", end, { once: true });
  }

  pressed(event) {
    event.stopPropagation(); // Streamlit has shortcuts of its own
    if (this.tool === "brush" && this.brushed(event)) return event.preventDefault();
    if (event.target !== this.stage) return;
    if (event.key !== "Enter") return this.tools[this.tool].pressed(event);
    event.preventDefault(); // it would press what has the focus next: the button that opened this
    if (this.tools[this.tool].chosen) this.finish("use");
  }

  // Keys of the brush that hold in the whole dialog; whether this was one.
  brushed({ key, ctrlKey, metaKey }) {
    const size = Number(this.find(".size input").value);
    if ((ctrlKey || metaKey) && key === "z") this.tools.brush.edits.length && this.tools.brush.edit("undo");
    else if (ctrlKey || metaKey) return false;
    else if (key === "b" || key === "e") this.erase(key === "e");
    else if (key === "[" || key === "]") this.resize(size + (key === "]" ? 2 : -2));
    else return false;
    return true;
  }

  place({ clientX, clientY }) {
    const { left, top, width, height } = this.image.getBoundingClientRect();
    return [clamp((clientX - left) / width, 0, 1), clamp((clientY - top) / height, 0, 1)];
  }
}
