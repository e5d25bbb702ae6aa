// One picture large, over the page, with what is known of it.

class CloserLook {
  // `gallery` holds the tiles in their order, and does what is asked of one of them.
  constructor(gallery, dialog) {
    this.gallery = gallery;
    this.dialog = dialog;
    this.find = (selector) => dialog.querySelector(selector);
    this.index = 0;
    dialog.addEventListener("click", (event) => this.clicked(event));
    dialog.addEventListener("keydown", (event) => this.pressed(event));
    dialog.addEventListener("close", () => gallery.focus(this.index));
  }

  open(index) {
    const tile = this.gallery.tiles[index];
    if (!tile) return;
    this.gallery.setCurrent(index);
    this.index = index;
    const image = this.find("img");
    const note = this.find("figcaption");
    note.hidden = true;
    image.alt = tile.name;
    // A small picture is not blown up to a blur.
    Object.assign(image.style, { maxWidth: `${2 * tile.width}px`, maxHeight: `${2 * tile.height}px` });
    image.src = tile.thumbnail; // at hand already
    const large = new Image();
    large.onload = () => this.index === index && (image.src = large.src);
    large.onerror = () => this.index === index && (note.hidden = false);
    large.src = tile.picture;
    this.find("h3").textContent = tile.name;
    this.find("dl").replaceChildren(...facts(tile));
    this.find(".paths").replaceChildren(...tile.paths.map((path) => this.pathLine(path)));
    this.find("h4").textContent = tile.paths.length > 1 ? `Where its ${tile.paths.length} copies lie` : "Where it lies";
    this.find(".previous").disabled = index === 0;
    this.find(".next").disabled = index === this.gallery.tiles.length - 1;
    if (!this.dialog.open) this.dialog.showModal();
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  pathLine(path) {
    const line = this.gallery.find(".path-template").content.cloneNode(true).firstElementChild;
    line.querySelector("code").textContent = path;
    line.querySelector("button").onclick = ({ target }) => copy(path, target);
    return line;
  }

  clicked(event) {
    const button = event.target.closest("button");
    if (event.target === this.dialog || button?.classList.contains("close")) this.close();
    else if (button?.classList.contains("previous")) this.open(this.index - 1);
    else if (button?.classList.contains("next")) this.open(this.index + 1);
    else if (button?.dataset.do) this.ask(button.dataset.do);
  }

  pressed(event) {
    const asks = Object.entries(SHORTCUTS).map(([key, what]) => [key, () => this.ask(what)]);
    answer(event, {
      ArrowLeft: () => this.open(this.index - 1),
      ArrowRight: () => this.open(this.index + 1),
      ...Object.fromEntries(asks),
    });
  }

  ask(what) {
    this.close();
    this.gallery.act({ do: what, ids: [this.gallery.tiles[this.index].id] });
  }
}

const SHORTCUTS = { m: "like", l: "less", b: "board", t: "transfer", o: "open" };

function answer(event, keys) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (!keys[key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation(); // Streamlit has shortcuts of its own
  keys[key]();
}

async function copy(text, button) {
  const before = button.textContent;
  await navigator.clipboard.writeText(text);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = before), 1500);
}

function facts({ likeness, all, width, height, format, bytes, id }) {
  const size = bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  const rows = { Size: `${width} × ${height}`, Format: format, File: size, Id: id };
  if (likeness !== null) rows["Likeness of style"] = likeness.toFixed(2);
  if (all) rows.Compared = "all of it: nothing stands out clearly in it, or it lies on white";
  return Object.entries(rows).flatMap(([name, value]) => [make("dt", name), make("dd", value)]);
}

function make(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
