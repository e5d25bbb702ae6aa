// Pictures in rows: pointer and keyboard, and a closer look at each.

const galleries = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let gallery = galleries.get(parentElement);
  if (!gallery) galleries.set(parentElement, (gallery = new Gallery(parentElement)));
  gallery.send = (event) => setTriggerValue("act", event);
  gallery.draw(data);
  return () => {
    gallery.observer.disconnect();
    galleries.delete(parentElement);
  };
}

class Gallery {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.section = this.find(".gallery");
    this.list = this.find(".tiles");
    this.detail = this.find(".detail");
    this.tiles = []; // what Python sent
    this.elements = new Map(); // id -> <li>
    this.current = 0; // the tile that Tab reaches and the keyboard acts on
    this.opened = 0; // the one that the closer look shows or has shown last
    this.list.addEventListener("click", (event) => this.clicked(event));
    this.list.addEventListener("keydown", (event) => this.pressed(event));
    this.list.addEventListener("focusin", (event) => this.setCurrent(this.indexOf(event.target)));
    this.detail.addEventListener("click", (event) => this.clickedInDetail(event));
    this.detail.addEventListener("keydown", (event) => this.pressedInDetail(event));
    this.detail.addEventListener("close", () => this.focus(this.opened));
    const more = this.find(".more");
    more.addEventListener("click", () => this.act({ do: "more" }));
    // Loads on before the end of the page comes into sight.
    this.observer = new IntersectionObserver(([entry]) => entry.isIntersecting && this.act({ do: "more" }), {
      rootMargin: "600px",
    });
  }

  draw({ tiles, heading, more }) {
    const active = this.root.activeElement; // a mouse leaves its focus behind, and needs none
    const hadFocus = this.list.contains(active) && active.matches(":focus-visible");
    const goesOn = this.tiles.every((tile, index) => tile.id === tiles[index]?.id);
    const known = this.elements;
    this.elements = new Map(tiles.map((tile) => [tile.id, update(known.get(tile.id) ?? this.element(tile), tile)]));
    this.tiles = tiles;
    this.list.replaceChildren(...this.elements.values());
    this.find("h2").textContent = heading;
    this.section.classList.remove("busy");
    if (!goesOn) {
      this.opened = 0;
      if (this.detail.open) this.detail.close();
      scrollParent(this.section).scrollTop = 0;
    }
    this.setCurrent(goesOn ? this.current : 0);
    if (hadFocus) this.focus(this.current);
    this.find(".more").hidden = !more;
    this.observer.disconnect();
    if (more) this.observer.observe(this.find(".more"));
  }

  element({ width, height, thumbnail, name }) {
    const tile = this.find(".tile-template").content.cloneNode(true).firstElementChild;
    // Longer pictures are cropped in their tile: one panorama would leave no room in its row.
    tile.style.setProperty("--ratio", Math.min(2.4, Math.max(0.55, width / height)).toFixed(4));
    Object.assign(tile.querySelector("img"), { src: thumbnail, alt: name });
    tile.querySelector(".open").ariaLabel = `Look closer at ${name}`;
    tile.querySelector("[data-do=like]").ariaLabel = `More like ${name}`;
    Object.assign(tile.querySelector("[data-do=less]"), { ariaLabel: `Less like ${name}`, title: "Less like this" });
    return tile;
  }

  indexOf(target) {
    return [...this.elements.values()].indexOf(target.closest(".tile"));
  }

  setCurrent(index) {
    if (index < 0) return;
    this.list.querySelector(".open[tabindex='0']")?.setAttribute("tabindex", "-1");
    this.current = index;
    [...this.elements.values()][index]?.querySelector(".open").setAttribute("tabindex", "0");
  }

  focus(index) {
    [...this.elements.values()][index]?.querySelector(".open").focus();
  }

  act(event) {
    this.section.classList.toggle("busy", event.do !== "more");
    this.observer.disconnect();
    this.send(event);
  }

  clicked(event) {
    const index = this.indexOf(event.target);
    const button = event.target.closest("button");
    if (index < 0 || !button) return;
    if (button.dataset.do) this.act({ do: button.dataset.do, id: this.tiles[index].id });
    else this.open(index);
  }

  pressed(event) {
    const moves = {
      ArrowLeft: () => this.focus(this.current - 1),
      ArrowRight: () => this.focus(this.current + 1),
      ArrowUp: () => this.focus(this.nearest(-1)),
      ArrowDown: () => this.focus(this.nearest(1)),
      Home: () => this.focus(0),
      End: () => this.focus(this.tiles.length - 1),
    };
    this.answer(event, { ...moves, ...this.shortcuts() });
  }

  pressedInDetail(event) {
    this.answer(event, {
      ArrowLeft: () => this.open(this.current - 1),
      ArrowRight: () => this.open(this.current + 1),
      ...this.shortcuts(),
    });
  }

  shortcuts() {
    const { id } = this.tiles[this.current];
    return { m: () => this.act({ do: "like", id }), l: () => this.act({ do: "less", id }) };
  }

  answer(event, keys) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!keys[key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // Streamlit has shortcuts of its own
    keys[key]();
  }

  // The tile in the row above (-1) or below (1) whose middle lies closest to the current one's.
  nearest(direction) {
    const boxes = [...this.elements.values()].map((tile) => tile.getBoundingClientRect());
    const here = boxes[this.current];
    const middle = (box) => box.left + box.width / 2;
    const beyond = boxes.filter((box) => (box.top - here.top) * direction > 1);
    const rows = beyond.map((box) => box.top * direction);
    const row = beyond.filter((box) => Math.abs(box.top * direction - Math.min(...rows)) < 1);
    row.sort((a, b) => Math.abs(middle(a) - middle(here)) - Math.abs(middle(b) - middle(here)));
    return row.length ? boxes.indexOf(row[0]) : this.current;
  }

  open(index) {
    const tile = this.tiles[index];
    if (!tile) return;
    this.setCurrent(index);
    this.opened = index;
    const image = this.detail.querySelector("img");
    const note = this.detail.querySelector("figcaption");
    note.hidden = true;
    image.alt = tile.name;
    // A small picture is not blown up to a blur.
    Object.assign(image.style, { maxWidth: `${2 * tile.width}px`, maxHeight: `${2 * tile.height}px` });
    image.src = tile.thumbnail; // at hand already
    const large = new Image();
    large.onload = () => this.opened === index && (image.src = large.src);
    large.onerror = () => this.opened === index && (note.hidden = false);
    large.src = tile.picture;
    this.detail.querySelector("h3").textContent = tile.name;
    this.detail.querySelector("dl").replaceChildren(...facts(tile));
    this.detail.querySelector(".paths").replaceChildren(...tile.paths.map((path) => this.pathLine(path)));
    this.detail.querySelector("h4").textContent =
      tile.paths.length > 1 ? `Where its ${tile.paths.length} copies lie` : "Where it lies";
    this.detail.querySelector(".previous").disabled = index === 0;
    this.detail.querySelector(".next").disabled = index === this.tiles.length - 1;
    if (!this.detail.open) this.detail.showModal();
  }

  pathLine(path) {
    const line = this.find(".path-template").content.cloneNode(true).firstElementChild;
    line.querySelector("code").textContent = path;
    line.querySelector("button").onclick = async ({ target }) => {
      await navigator.clipboard.writeText(path);
      target.textContent = "Copied";
      setTimeout(() => (target.textContent = "Copy path"), 1500);
    };
    return line;
  }

  clickedInDetail(event) {
    const button = event.target.closest("button");
    if (event.target === this.detail || button?.classList.contains("close")) this.detail.close();
    else if (button?.classList.contains("previous")) this.open(this.current - 1);
    else if (button?.classList.contains("next")) this.open(this.current + 1);
    else if (button?.dataset.do) {
      this.detail.close();
      this.act({ do: button.dataset.do, id: this.tiles[this.current].id });
    }
  }
}

const update = (element, { likeness }) => {
  const badge = element.querySelector(".likeness");
  badge.hidden = likeness === null;
  badge.textContent = likeness?.toFixed(2);
  return element;
};

function facts({ likeness, width, height, format, bytes, id }) {
  const size = bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  const rows = { Size: `${width} × ${height}`, Format: format, File: size, Id: id };
  if (likeness !== null) rows["Likeness of style"] = likeness.toFixed(2);
  return Object.entries(rows).flatMap(([name, value]) => [make("dt", name), make("dd", value)]);
}

function make(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function scrollParent(element) {
  let node = element.getRootNode().host;
  while (node && !/auto|scroll/.test(getComputedStyle(node).overflowY)) node = node.parentElement;
  return node ?? document.scrollingElement;
}
