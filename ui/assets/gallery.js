// Pictures in rows: pointer and keyboard.

const galleries = new WeakMap();
const TILES = "application/x-stylesearch"; // what a drag carries: ids of pictures
const SURE = ["Everything, closest first", "What may match", "What likely matches", "Only what surely matches"];
const DENSITY = "stylesearch.density";
const PREVIEW_AFTER = 550; // milliseconds that a pointer rests

export default function ({ data, parentElement, setTriggerValue }) {
  let gallery = galleries.get(parentElement);
  if (!gallery) galleries.set(parentElement, (gallery = new Gallery(parentElement)));
  gallery.send = (event) => setTriggerValue("act", event);
  gallery.draw(data);
  return () => {
    gallery.observer.disconnect();
    clearTimeout(gallery.resting);
    galleries.delete(parentElement);
  };
}

class Gallery {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.section = this.find(".gallery");
    this.list = this.find(".tiles");
    this.known = new Map(); // id -> what Python sent
    this.groups = []; // ids, those that look like the first of a group behind it
    this.unfolded = new Set(); // the first ids of groups
    this.tiles = []; // what is shown, in order
    this.elements = new Map(); // id -> <li>, in order
    this.current = 0; // the tile that Tab reaches and the keyboard acts on
    this.closerLook = new CloserLook(this, this.find(".detail"));
    this.selection = new Selection(this, this.find(".bar"));
    this.listen();
    this.setUpDensity();
    // Loads on before the end of the page comes into sight.
    this.observer = new IntersectionObserver(([entry]) => entry.isIntersecting && this.act({ do: "more" }), {
      rootMargin: "900px",
    });
  }

  listen() {
    const on = (kind, listener) => this.list.addEventListener(kind, listener);
    on("click", (event) => this.clicked(event));
    on("keydown", (event) => this.pressed(event));
    on("focusin", (event) => this.setCurrent(this.indexOf(event.target)));
    on("dragstart", (event) => this.dragged(event));
    on("pointerover", (event) => this.rested(event));
    on("pointerleave", () => this.preview(null));
    this.find(".more").addEventListener("click", () => this.act({ do: "more" }));
    this.find(".calibrate").addEventListener("click", () => this.act({ do: "calibrate" }));
    this.find(".map").addEventListener("click", () => this.act({ do: "map" }));
    const sure = this.find(".sure input");
    sure.addEventListener("input", () => (this.find(".sure output").textContent = SURE[sure.value]));
    sure.addEventListener("change", () => this.act({ do: "sure", value: this.steps[sure.value] }));
    sure.addEventListener("keydown", (event) => event.stopPropagation());
    const spread = this.find(".spread");
    spread.addEventListener("change", () => this.act({ do: "spread", value: spread.value }));
    spread.addEventListener("keydown", (event) => event.stopPropagation());
  }

  // How high rows are: what was chosen last, or what suits the window.
  setUpDensity() {
    const input = this.find(".density input");
    const set = () => this.list.style.setProperty("--row", `${input.value}px`);
    input.value = localStorage.getItem(DENSITY) ?? Math.min(280, 24 + 0.11 * innerWidth);
    set();
    input.addEventListener("input", () => {
      set();
      localStorage.setItem(DENSITY, input.value);
    });
    input.addEventListener("keydown", (event) => event.stopPropagation()); // Streamlit has shortcuts of its own
  }

  draw({ tiles, groups, heading, more, calibrate, map, hurry, sure, steps, spread }) {
    for (const tile of tiles) this.known.set(tile.id, tile);
    if (groups.flat().some((id) => !this.known.has(id))) return this.act({ do: "again" });
    const goesOn = this.groups.every(([first], index) => first === groups[index]?.[0]);
    if (!goesOn) {
      this.unfolded.clear();
      this.selection.clear();
    }
    this.groups = groups;
    this.find("h2").textContent = heading;
    this.section.classList.remove("busy");
    this.steps = steps;
    this.find(".calibrate").hidden = !calibrate;
    this.find(".map").hidden = !map;
    this.find(".spread").hidden = spread === null;
    if (spread !== null) this.find(".spread").value = spread;
    this.find(".sure").hidden = sure === null;
    if (sure !== null) {
      Object.assign(this.find(".sure input"), { max: steps.length - 1, value: steps.indexOf(sure) });
      this.find(".sure output").textContent = SURE[steps.indexOf(sure)];
    }
    this.hurried = more && hurry;
    this.show(goesOn);
    if (!goesOn) {
      this.preview(null);
      this.closerLook.close();
      scrollParent(this.section).scrollTop = 0;
    }
    this.find(".more").hidden = !more;
    this.observer.disconnect();
    if (this.hurried) requestAnimationFrame(() => this.act({ do: "more" })); // what there is, is painted first
    else if (more) this.observer.observe(this.find(".more"));
  }

  // Brings the rows up to the groups.
  show(goesOn) {
    const active = this.root.activeElement; // a mouse leaves its focus behind, and needs none
    const hadFocus = this.list.contains(active) && active.matches(":focus-visible");
    const focused = this.tiles[this.current]?.id;
    const shown = this.groups.flatMap((group) => (this.unfolded.has(group[0]) ? group : group.slice(0, 1)));
    const before = this.elements;
    this.tiles = shown.map((id) => this.known.get(id));
    this.elements = new Map(this.tiles.map((tile) => [tile.id, before.get(tile.id) ?? this.element(tile)]));
    for (const group of this.groups) this.update(group);
    arrange(this.list, [...this.elements.values()]);
    this.setCurrent(goesOn ? Math.max(0, shown.indexOf(focused)) : 0);
    if (hadFocus) this.focus(this.current);
    if (this.hurried) this.selection.show(); // what is selected may be among the rest
    else this.selection.keepShown();
  }

  element({ id, width, height, thumbnail, name }) {
    const tile = this.find(".tile-template").content.cloneNode(true).firstElementChild;
    const label = (selector, words) => (tile.querySelector(selector).ariaLabel = words);
    // Longer pictures are cropped in their tile: one panorama would leave no room in its row.
    tile.style.setProperty("--ratio", Math.min(2.4, Math.max(0.55, width / height)).toFixed(4));
    tile.dataset.id = id;
    Object.assign(tile.querySelector("img"), { src: thumbnail, alt: name });
    tile.querySelector(".open").href = `/asset?id=${id}`; // for the wheel button, and to be dragged; a click looks closer
    label(".open", `Look closer at ${name}`);
    label(".pick", `Select ${name}`);
    label("[data-do=like]", `More like ${name}`);
    label("[data-do=less]", `Less like ${name}`);
    label("[data-do=board]", `Add ${name} to a board`);
    return tile;
  }

  update([first, ...others]) {
    const [element, { name, likeness }] = [this.elements.get(first), this.known.get(first)];
    const unfolded = this.unfolded.has(first);
    const copies = element.querySelector(".copies");
    copies.hidden = !others.length;
    copies.textContent = unfolded ? "Fold" : `+${others.length}`;
    copies.title = unfolded ? "Fold them again" : "Pictures that look the same: show them";
    copies.ariaExpanded = unfolded;
    copies.ariaLabel = `${others.length} that look like ${name}`;
    for (const id of [first, ...(unfolded ? others : [])]) {
      const tile = this.elements.get(id);
      tile.classList.toggle("copy", id !== first);
      const badge = tile.querySelector(".likeness");
      badge.hidden = likeness === null;
      badge.textContent = this.known.get(id).likeness?.toFixed(2);
      tile.querySelector(".all").hidden = !this.known.get(id).all;
      if (id !== first) tile.querySelector(".copies").hidden = true;
    }
  }

  indexOf(target) {
    const id = Number(target.closest?.(".tile")?.dataset.id);
    return this.tiles.findIndex((tile) => tile.id === id);
  }

  elementAt(index) {
    return this.elements.get(this.tiles[index]?.id);
  }

  setCurrent(index) {
    if (index < 0) return;
    this.list.querySelector(".open[tabindex='0']")?.setAttribute("tabindex", "-1");
    this.current = index;
    this.elementAt(index)?.querySelector(".open").setAttribute("tabindex", "0");
  }

  focus(index) {
    this.elementAt(index)?.querySelector(".open").focus();
  }

  act(event) {
    this.section.classList.toggle("busy", ["like", "less", "sure"].includes(event.do));
    this.observer.disconnect();
    this.preview(null);
    if (["like", "less"].includes(event.do)) this.selection.clear();
    this.send(event);
  }

  clicked(event) {
    const index = this.indexOf(event.target);
    const control = event.target.closest("button, a");
    if (index < 0 || !control) return;
    event.preventDefault();
    const { id } = this.tiles[index];
    if (control.dataset.do) this.act({ do: control.dataset.do, ids: [id] });
    else if (control.classList.contains("copies")) this.fold(id);
    else if (event.shiftKey && this.selection.anchor !== null) this.selection.range(index);
    else if (control.classList.contains("pick") || event.ctrlKey || event.metaKey || event.shiftKey) this.selection.toggle(id);
    else if (this.selection.ids.size) this.selection.toggle(id);
    else this.closerLook.open(index);
  }

  fold(id) {
    if (!this.unfolded.delete(id)) this.unfolded.add(id);
    this.show(true);
  }

  pressed(event) {
    if (event.target.closest("button") && [" ", "Enter"].includes(event.key)) return event.stopPropagation();
    const { id } = this.tiles[this.current];
    if ((event.ctrlKey || event.metaKey) && event.key === "a") {
      event.preventDefault();
      event.stopPropagation();
      return this.selection.all();
    }
    const move = (index) => () => {
      if (event.shiftKey) this.selection.startAt(this.current);
      this.focus(Math.min(this.tiles.length - 1, Math.max(0, index())));
      if (event.shiftKey) this.selection.range(this.current);
    };
    const asks = Object.entries(SHORTCUTS).map(([key, what]) => [
      key,
      () => this.act({ do: what, ids: what === "open" ? [id] : this.selection.with(id) }),
    ]);
    answer(event, {
      ArrowLeft: move(() => this.current - 1),
      ArrowRight: move(() => this.current + 1),
      ArrowUp: move(() => this.nearest(-1)),
      ArrowDown: move(() => this.nearest(1)),
      Home: move(() => 0),
      End: move(() => this.tiles.length - 1),
      Enter: () => this.closerLook.open(this.current),
      " ": () => this.selection.toggle(id),
      Escape: () => this.selection.clear(),
      ...Object.fromEntries(asks),
    });
  }

  // The tile in the row above (-1) or below (1) whose middle lies closest to the current one's.
  nearest(direction) {
    const boxes = [...this.elements.values()].map((tile) => tile.getBoundingClientRect());
    const here = boxes[this.current];
    const middle = (box) => box.left + box.width / 2;
    const beyond = boxes.filter((box) => (box.top - here.top) * direction > 1);
    const rows = beyond.map((box) => box.top * direction);
    const edge = rows.reduce((least, row) => Math.min(least, row), Infinity);
    const row = beyond.filter((box) => Math.abs(box.top * direction - edge) < 1);
    row.sort((a, b) => Math.abs(middle(a) - middle(here)) - Math.abs(middle(b) - middle(here)));
    return row.length ? boxes.indexOf(row[0]) : this.current;
  }

  dragged(event) {
    const index = this.indexOf(event.target);
    if (index < 0) return;
    this.preview(null);
    event.dataTransfer.setData(TILES, JSON.stringify(this.selection.with(this.tiles[index].id)));
    event.dataTransfer.effectAllowed = "copy";
  }

  rested(event) {
    const element = event.target.closest(".tile");
    clearTimeout(this.resting);
    if (this.previewed && this.previewed !== element) this.preview(null);
    if (element && event.pointerType === "mouse") this.resting = setTimeout(() => this.preview(element), PREVIEW_AFTER);
  }

  // A larger look beside a tile; none where the tile is as large as that.
  preview(element) {
    const box = this.find(".preview");
    clearTimeout(this.resting);
    this.previewed = element;
    const tile = element && this.known.get(Number(element.dataset.id));
    const place = element?.getBoundingClientRect();
    const scale = tile && Math.min(1, 320 / Math.max(tile.width, tile.height));
    const [width, height] = tile ? [tile.width * scale, tile.height * scale] : [0, 0];
    if (!tile || !element.isConnected || place.height > 0.9 * height) return box.hidePopover();
    box.querySelector("img").src = tile.thumbnail;
    box.querySelector("p").textContent = `${tile.name} · ${tile.width} × ${tile.height}`;
    const right = place.right + 12 + width + 16 < innerWidth;
    const left = right ? place.right + 12 : Math.max(8, place.left - width - 28);
    const top = Math.min(innerHeight - height - 56, Math.max(8, place.top + place.height / 2 - height / 2));
    Object.assign(box.style, { left: `${left}px`, top: `${top}px`, width: `${width + 18}px` });
    box.showPopover();
  }
}

// Makes the children of `list` these elements in this order, and moves no more of them than it must.
function arrange(list, elements) {
  let place = list.firstChild;
  for (const element of elements) {
    if (element === place) place = place.nextSibling;
    else list.insertBefore(element, place);
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

function scrollParent(element) {
  let node = element.getRootNode().host;
  while (node && !/auto|scroll/.test(getComputedStyle(node).overflowY)) node = node.parentElement;
  return node ?? document.scrollingElement;
}
