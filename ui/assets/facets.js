// The filters of a search: what there is of each kind, how many, and what is chosen.

const panels = new WeakMap();
const FEW = 7; // values of a long list that are shown at first
const CLOSED = "stylesearch.filters.closed"; // which parts this visitor keeps closed

export default function ({ data, parentElement, setTriggerValue }) {
  let panel = panels.get(parentElement);
  if (!panel) panels.set(parentElement, (panel = new Panel(parentElement.querySelector(".facets"))));
  panel.send = (event) => setTriggerValue("act", event);
  panel.draw(data);
  return () => panels.delete(parentElement);
}

class Panel {
  constructor(root) {
    this.root = root;
    this.open = new Set(); // long lists that show everything
    this.sought = {}; // what is sought in long lists
    this.find(".clear").onclick = () => this.act({ do: "clear" });
    this.find(".close").onclick = () => this.act({ do: "close" });
    root.addEventListener("keydown", (event) => event.target.matches("input, select") && event.stopPropagation());
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  act(event) {
    this.root.ariaBusy = "true";
    this.send(event);
  }

  draw({ total, active, parts }) {
    this.root.ariaBusy = "false";
    this.find(".total").textContent = total;
    this.find(".clear").hidden = !active;
    const focused = this.root.getRootNode().activeElement?.dataset?.key;
    const closed = closedParts();
    this.find(".parts").replaceChildren(...parts.map((part) => this.part(part, closed)));
    if (focused) [...this.root.querySelectorAll("[data-key]")].find(({ dataset }) => dataset.key === focused)?.focus();
  }

  part(part, closed) {
    const details = this.find("template").content.cloneNode(true).firstElementChild;
    details.querySelector("h3").textContent = part.name;
    details.querySelector(".chosen").textContent = part.chosen;
    details.open = !closed.includes(part.facet);
    details.addEventListener("toggle", () => keepClosed(part.facet, !details.open));
    details.querySelector(".body").append(...this[part.kind](part));
    return details;
  }

  list(part) {
    const rows = make("ul", { className: "rows" });
    const fill = () => {
      const sought = (this.sought[part.facet] ?? "").toLowerCase();
      const all = part.values.filter(({ label, on }) => on || label.toLowerCase().includes(sought));
      const shown = this.open.has(part.facet) || sought ? all : all.filter(({ on }, place) => on || place < FEW);
      const lines = shown.map((value) => wrapped("li", "", this.row(part.facet, value)));
      if (!shown.length) lines.push(make("li", { className: "nothing", textContent: "Nothing of that name" }));
      rows.replaceChildren(...lines);
      more.hidden = shown.length === all.length && !part.more;
      more.textContent = shown.length < all.length ? `Show all ${all.length + part.more}` : `and ${part.more} more; name one above`;
    };
    const more = make("button", { className: "more", type: "button" });
    more.onclick = () => (this.open.add(part.facet), fill());
    const long = part.values.length > FEW;
    const find = make("input", { className: "find", placeholder: `Find a ${part.one}`, ariaLabel: `Find a ${part.one}` });
    find.dataset.key = `find ${part.facet}`;
    find.value = this.sought[part.facet] ?? "";
    find.oninput = () => ((this.sought[part.facet] = find.value), fill());
    find.onkeydown = ({ key }) => {
      if (key !== "Enter" || !find.value.trim()) return;
      this.sought[part.facet] = "";
      this.act({ do: "toggle", facet: part.facet, value: find.value.trim() });
    };
    fill();
    return long ? [find, rows, more] : [rows];
  }

  row(facet, { value, label, number, on }) {
    const box = make("input", { type: "checkbox", checked: on });
    box.dataset.key = `${facet} ${value}`;
    box.onchange = () => this.act({ do: "toggle", facet, value });
    const name = make("span", { className: "name", textContent: label, title: label });
    return wrapped("label", "value", box, name, make("span", { className: "number", textContent: number.toLocaleString() }));
  }

  colours(part) {
    const swatches = part.values.map(({ value, label, number, on, swatch }) => {
      const title = `${label}, ${number.toLocaleString()}`;
      const button = make("button", { className: "swatch", type: "button", title, ariaLabel: title, ariaPressed: on });
      button.style.background = swatch;
      button.classList.toggle("none", !number && !on);
      button.dataset.key = `colours ${value}`;
      button.onclick = () => this.act({ do: "toggle", facet: "colours", value });
      return button;
    });
    const input = make("input", { type: "color", value: part.last });
    input.dataset.key = "pick";
    input.onchange = () => this.act({ do: "toggle", facet: "colours", value: input.value });
    const picker = wrapped("div", "picker", wrapped("label", "", input, "Pick a colour"));
    for (const value of part.picked) {
      const chip = make("button", { className: "picked", type: "button", ariaLabel: `Take away ${value}` });
      const dot = make("i", {});
      dot.style.background = value;
      chip.append(dot, `${value} ×`);
      chip.onclick = () => this.act({ do: "toggle", facet: "colours", value });
      picker.append(chip);
    }
    return [wrapped("div", "swatches", ...swatches), picker];
  }

  years(part) {
    const most = Math.max(...part.values.map(({ number }) => number), 1);
    const bars = part.values.map(({ value, number, on }) => {
      const title = `${value}s, ${number.toLocaleString()}`;
      const bar = make("button", { className: "decade", type: "button", title, ariaLabel: title, ariaPressed: on });
      bar.dataset.key = `decade ${value}`;
      bar.append(make("i", {}));
      bar.firstChild.style.height = `${Math.round((100 * number) / most)}%`;
      bar.onclick = () => this.act(on && part.single ? { do: "years" } : { do: "years", first: value, last: value + 9 });
      return bar;
    });
    const year = (side, label) => {
      const input = make("input", { type: "number", placeholder: label, ariaLabel: label, min: -9999, max: 9999 });
      input.value = part[side] ?? "";
      input.dataset.key = side;
      return input;
    };
    const [first, last] = [year("first", "from"), year("last", "to")];
    first.onchange = last.onchange = () => {
      const [from, to] = [first, last].map(({ value }) => (value === "" ? null : Number(value)));
      this.act({ do: "years", first: from, last: to });
    };
    return [wrapped("div", "decades", ...bars), wrapped("div", "span", first, "–", last)];
  }

  folders(part) {
    const step = ({ value, label }, place, all) => {
      const button = make("button", { type: "button", textContent: label });
      if (place === all.length - 1) button.ariaCurrent = "location";
      button.dataset.key = `place ${value}`;
      button.onclick = () => this.act({ do: "place", value });
      return button;
    };
    const rows = part.values.map(({ value, label, number }) => {
      const name = make("span", { className: "name", textContent: label, title: label });
      const count = make("span", { className: "number", textContent: number.toLocaleString() });
      const button = wrapped("button", "value", name, count);
      button.type = "button";
      button.dataset.key = `folder ${value}`;
      button.onclick = () => this.act({ do: "place", value });
      return wrapped("li", "", button);
    });
    const contains = make("input", { className: "find", placeholder: "Folder contains", ariaLabel: "Folder contains", value: part.text });
    contains.dataset.key = "contains";
    contains.onchange = () => this.act({ do: "folder", text: contains.value });
    const list = wrapped("ul", "rows", ...rows);
    return [contains, wrapped("div", "crumbs", ...part.crumbs.map(step)), list];
  }

  choice(part) {
    const select = make("select", { ariaLabel: part.name });
    select.dataset.key = part.facet;
    select.append(...part.values.map(({ value, label }) => new Option(label, value)));
    select.value = part.now;
    select.onchange = () => this.act({ do: part.facet, value: Number(select.value) });
    return [select];
  }
}

const make = (name, properties) => Object.assign(document.createElement(name), properties);

function wrapped(name, className, ...children) {
  const element = make(name, { className });
  element.append(...children);
  return element;
}

function closedParts() {
  try {
    const kept = JSON.parse(localStorage.getItem(CLOSED) ?? "null");
    return Array.isArray(kept) ? kept : ["licences", "creators", "count"];
  } catch {
    return [];
  }
}

function keepClosed(facet, closed) {
  const others = closedParts().filter((name) => name !== facet);
  localStorage.setItem(CLOSED, JSON.stringify(closed ? [...others, facet] : others));
}
