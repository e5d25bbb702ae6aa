// One picture of a board large, with what was written beside it.

const WEIGHTS = [
  [0, "Not at all"],
  [0.5, "Half"],
  [1, "Normal"],
  [2, "Double"],
];

class Panel {
  // `board` holds the items in their order, and sends what is asked of one of them.
  constructor(board, dialog) {
    this.board = board;
    this.dialog = dialog;
    this.find = (selector) => dialog.querySelector(selector);
    this.id = null;
    this.note = writing(this.find("#note"), (text) => this.writeNote(text), 700);
    dialog.addEventListener("click", (event) => this.clicked(event));
    dialog.addEventListener("keydown", (event) => this.pressed(event));
    dialog.addEventListener("change", ({ target }) => {
      if (target.name === "weight") board.act({ do: "weigh", ids: [this.id], weight: Number(target.value) });
    });
    dialog.addEventListener("close", () => board.focus(this.id));
  }

  get index() {
    return this.board.items.findIndex(({ id }) => id === this.id);
  }

  open(index) {
    const item = this.board.items[index];
    if (!item) return;
    this.note.flush();
    this.id = item.id;
    this.note.take(item.note, true);
    const image = this.find("img");
    image.alt = item.name;
    // A small picture is not blown up to a blur.
    Object.assign(image.style, { maxWidth: `${2 * item.width}px`, maxHeight: `${2 * item.height}px` });
    image.src = item.thumbnail; // at hand already
    const large = new Image();
    const missing = this.find("figcaption");
    missing.hidden = true;
    large.onload = () => this.id === item.id && (image.src = large.src);
    large.onerror = () => this.id === item.id && (missing.hidden = false);
    large.src = item.picture;
    if (!this.dialog.open) this.dialog.showModal();
    this.draw();
  }

  // What may have changed while it is open.
  draw() {
    if (!this.dialog.open) return;
    const { index } = this;
    const item = this.board.items[index];
    if (!item) return this.dialog.close();
    this.find("h3").textContent = item.name;
    this.find(".path").textContent = item.path ? (item.missing ? `Was at ${item.path}` : item.path) : "";
    this.note.take(item.note);
    this.drawWeights(item.weight);
    const { length } = this.board.items;
    this.find(".places output").textContent = `${index + 1} of ${length}`;
    for (const name of [".previous", "[data-do=earlier]"]) this.find(name).disabled = index === 0;
    for (const name of [".next", "[data-do=later]"]) this.find(name).disabled = index === length - 1;
  }

  drawWeights(weight) {
    const known = WEIGHTS.some(([value]) => value === weight);
    const choices = known ? WEIGHTS : [...WEIGHTS, [weight, shownWeight(weight)]];
    const list = this.find(".weights");
    if (list.children.length !== choices.length) list.replaceChildren(...choices.map((choice) => this.weight(choice)));
    for (const input of list.querySelectorAll("input")) input.checked = Number(input.value) === weight;
  }

  weight([value, name]) {
    const label = this.board.template("weight");
    label.querySelector("input").value = value;
    label.querySelector("span").textContent = name;
    return label;
  }

  writeNote(text) {
    this.board.item(this.id).note = text;
    this.board.act({ do: "note", ids: [this.id], text });
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  clicked(event) {
    const button = event.target.closest("button");
    if (event.target === this.dialog || button?.classList.contains("close")) this.close();
    else if (button?.classList.contains("previous")) this.open(this.index - 1);
    else if (button?.classList.contains("next")) this.open(this.index + 1);
    else if (button?.dataset.do) this.ask(button.dataset.do);
  }

  ask(what) {
    this.note.flush();
    const { id, index } = this;
    if (what === "earlier") this.board.order.moveTo(id, index - 1);
    else if (what === "later") this.board.order.moveTo(id, index + 1);
    else {
      this.close();
      this.board.act({ do: what, ids: [id] });
    }
    this.draw();
  }

  pressed(event) {
    if (event.target.matches("textarea, input")) return event.stopPropagation();
    answer(event, {
      ArrowLeft: () => this.open(this.index - 1),
      ArrowRight: () => this.open(this.index + 1),
      m: () => this.ask("search"),
      o: () => this.ask("open"),
    });
  }
}

// A field whose text is sent when it is left, and after so many milliseconds without a key; null: not before.
function writing(field, send, pause) {
  let known = field.value;
  let timer = 0;
  const flush = () => {
    clearTimeout(timer);
    if (field.value !== known) send((known = field.value));
  };
  field.addEventListener("change", flush);
  field.addEventListener("input", () => {
    clearTimeout(timer);
    if (pause !== null) timer = setTimeout(flush, pause);
  });
  return {
    flush,
    // Takes what others wrote, but not over what somebody is writing here.
    take(text, anyhow = false) {
      if (!anyhow && field.matches(":focus")) return;
      field.value = known = text;
    },
  };
}

const shownWeight = (weight) => (weight === 0.5 ? "×½" : weight === 0 ? "not counted" : `×${weight}`);

function answer(event, keys) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const name = (event.altKey ? "Alt+" : "") + key;
  if (!keys[name] || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  event.stopPropagation(); // Streamlit has shortcuts of its own
  keys[name]();
}
