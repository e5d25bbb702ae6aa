// The atlas: the map, what one does with it, and the list of families beside it, which needs no mouse.

const atlases = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let atlas = atlases.get(parentElement);
  if (!atlas) atlases.set(parentElement, (atlas = new Atlas(parentElement)));
  atlas.send = (event) => setTriggerValue("act", event);
  atlas.draw(data);
  return () => {
    atlas.map.close();
    atlas.scheme.removeEventListener("change", atlas.recolour);
    atlases.delete(parentElement);
  };
}

class Atlas {
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    this.chosen = []; // indices
    this.map = new StyleMap(this.find(".map"), {
      hovered: (...where) => this.preview(...where),
      clicked: (index) => this.send({ do: "open", ids: [this.map.points.ids[index]] }),
      chosen: (indices) => this.choose(indices, false),
    });
    this.find(".tools").addEventListener("click", (event) => this.tool(event.target.closest("button")?.dataset.do));
    this.find(".selection").addEventListener("click", (event) => this.ask(event.target.closest("button")?.dataset.do));
    this.find(".points").addEventListener("keydown", (event) => this.pressed(event));
    this.find(".atlas").addEventListener("keydown", (event) => event.key === "Escape" && this.choose([]));
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.recolour = () => requestAnimationFrame(() => this.load());
    this.scheme.addEventListener("change", this.recolour);
  }

  draw(data) {
    const again = this.data?.points === data.points;
    this.data = data;
    this.find("h2").textContent = data.summary;
    const marks = this.find(".hits");
    marks.hidden = !data.hits.length;
    marks.textContent = `Ringed: the ${data.hits.length.toLocaleString()} pictures closest to your search.`;
    if (again) return void this.mark();
    this.colours = familyColours(Math.max(...data.families.map(({ number }) => number)) + 1);
    this.find(".families").replaceChildren(...data.families.map((family) => this.family(family)));
    this.find(".unusual").hidden = !data.unusual.length;
    this.find(".unusual ul").replaceChildren(...data.unusual.map((picture) => this.unusual(picture)));
    this.find(".points").ariaLabel =
      `Map of ${data.count.toLocaleString()} pictures, alike styles side by side. ` +
      "Arrow keys move it, plus and minus zoom, 0 shows all. The families beside it can be opened and selected without the map.";
    this.load();
  }

  async load() {
    const { points, families } = this.data;
    const familyOf = new Map(families.flatMap(({ number, branches }) => branches.map((branch) => [branch.number, number])));
    try {
      const response = await fetch(points);
      if (!response.ok) return void this.send({ do: "again" }); // the library has changed since the page was drawn
      await this.map.open(await response.arrayBuffer(), familyOf, families, this.colours);
      this.mark();
      this.find(".broken").hidden = true;
    } catch (error) {
      console.warn(error);
      this.find(".broken").textContent =
        "Your browser cannot draw the map: it needs WebGL, which is off or missing here. The families beside it work without.";
      this.find(".broken").hidden = false;
      this.find(".tools").hidden = true;
    }
    this.find(".waiting").hidden = true;
    this.find(".map").dataset.ready = String(this.data.count);
  }

  mark() {
    if (this.map.points) this.map.mark(this.data.hits.map((id) => this.map.points.places.get(id)).filter((index) => index >= 0));
  }

  family(family) {
    const item = this.find(".family-template").content.cloneNode(true).firstElementChild;
    const go = item.querySelector(".go");
    fill(go, family);
    go.ariaLabel = `Show ${family.name} on the map, ${pictures(family.size)}`;
    go.querySelector(".dot").style.background = this.colours[family.number];
    go.querySelector(".faces").append(...family.pictures.map(({ src }) => image(src)));
    go.addEventListener("click", () => this.show((branch) => family.branches.some(({ number }) => number === branch)));
    const branches = item.querySelector(".branches");
    branches.append(...family.branches.map((branch) => this.branch(branch, family)));
    const parts = item.querySelector("[data-do=parts]");
    parts.hidden = family.branches.length < 2;
    parts.textContent = `${family.branches.length} parts`;
    parts.ariaLabel = `${family.branches.length} parts of ${family.name}`;
    parts.addEventListener("click", () => {
      branches.hidden = !branches.hidden;
      parts.ariaExpanded = String(!branches.hidden);
    });
    const select = item.querySelector("[data-do=select]");
    select.ariaLabel = `Select all of ${family.name}`;
    select.addEventListener("click", () => this.choose(this.within((branch) => family.branches.some(({ number }) => number === branch))));
    return item;
  }

  branch(branch, family) {
    const item = this.find(".branch-template").content.cloneNode(true).firstElementChild;
    const button = item.querySelector("button");
    fill(button, branch);
    button.ariaLabel = `Show ${branch.name} of ${family.name} on the map, ${pictures(branch.size)}`;
    if (branch.pictures.length) button.querySelector("img").src = branch.pictures[0].src;
    button.addEventListener("click", () => this.show((number) => number === branch.number));
    return item;
  }

  unusual({ id, src }, place) {
    const item = this.find(".unusual-template").content.cloneNode(true).firstElementChild;
    const button = item.querySelector("button");
    button.ariaLabel = `Open unusual picture ${place + 1}`;
    button.querySelector("img").src = src;
    button.addEventListener("click", () => this.send({ do: "open", ids: [id] }));
    return item;
  }

  within(holds) {
    return [...(this.map.points?.branches ?? []).keys()].filter((index) => holds(this.map.points.branches[index]));
  }

  show(holds) {
    const indices = this.within(holds);
    if (this.map.plot && indices.length) this.map.zoomToPictures(indices);
  }

  choose(indices, tellMap = true) {
    if (!indices.length && !this.chosen.length) return;
    this.chosen = indices;
    if (tellMap && this.map.plot) this.map.choose(indices);
    this.find(".selection").hidden = !indices.length;
    this.find(".selection strong").textContent = `${pictures(indices.length)} selected`;
    if (indices.length) this.tool("move");
  }

  ask(what) {
    if (what === "none") this.choose([]);
    else if (what) this.send({ do: what, ids: this.chosen.slice(0, 10_000).map((index) => this.map.points.ids[index]) });
  }

  tool(name) {
    if (!this.map.plot) return;
    if (name === "in") this.map.go(0, 0, 1.6);
    else if (name === "out") this.map.go(0, 0, 1 / 1.6);
    else if (name === "fit") this.map.fit();
    else if (name) {
      this.map.mode(name);
      this.find(".map").classList.toggle("lassoing", name === "lasso");
      for (const tool of this.find(".tools").querySelectorAll("[aria-pressed]")) tool.ariaPressed = String(tool.dataset.do === name);
    }
  }

  pressed(event) {
    const keys = {
      ArrowLeft: () => this.map.go(-0.2, 0),
      ArrowRight: () => this.map.go(0.2, 0),
      ArrowUp: () => this.map.go(0, -0.2),
      ArrowDown: () => this.map.go(0, 0.2),
      "+": () => this.tool("in"),
      "=": () => this.tool("in"),
      "-": () => this.tool("out"),
      0: () => this.tool("fit"),
    };
    if (!this.map.plot || !keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  }

  preview(index, x, y) {
    const card = this.find(".preview");
    const map = this.find(".map");
    map.classList.toggle("pointing", index >= 0);
    card.hidden = index < 0;
    if (index < 0) return;
    const { ids, families } = this.map.points;
    const source = `/map/pictures/${ids[index]}`;
    const shown = card.querySelector("img");
    if (shown.getAttribute("src") !== source) shown.src = source;
    card.querySelector("figcaption").textContent = this.data.families.find(({ number }) => number === families[index])?.name ?? "";
    const { width, height } = map.getBoundingClientRect();
    card.style.left = `${x + 264 > width ? x - 258 : x + 20}px`;
    card.style.top = `${Math.max(8, Math.min(y - 60, height - 282))}px`;
  }
}

function fill(element, { name, size }) {
  element.querySelector(".name").textContent = name;
  element.querySelector(".size").textContent = size.toLocaleString();
}

function image(src) {
  return Object.assign(new Image(), { src, alt: "", loading: "lazy", draggable: false });
}

function pictures(count) {
  return count === 1 ? "1 picture" : `${count.toLocaleString()} pictures`;
}
