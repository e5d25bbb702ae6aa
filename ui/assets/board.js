// One board: its pictures in a grid, what people wrote, and what can be done with it.

const boards = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let board = boards.get(parentElement);
  if (!board) boards.set(parentElement, (board = new Board(parentElement)));
  board.send = (event) => setTriggerValue("act", event);
  board.draw(data);
  return () => {
    board.abort.abort();
    clearTimeout(board.waiting);
    boards.delete(parentElement);
  };
}

class Board {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.section = this.find(".board");
    this.list = this.find(".items");
    this.items = []; // what Python sent, in the order that is shown
    this.elements = new Map(); // id -> <li>
    this.chosen = new Set(); // ids
    this.current = null; // the id that Tab reaches and the keyboard acts on
    this.queue = []; // what was asked for and not sent yet
    this.waiting = 0; // a timer, while something was sent and not answered yet
    this.abort = new AbortController();
    this.order = new Order(this, this.list);
    this.panel = new Panel(this, this.find(".panel"));
    this.name = writing(this.find(".name"), (text) => this.act({ do: "rename", text }), null);
    this.notes = writing(this.find(".notes"), (text) => this.act({ do: "describe", text }), 700);
    this.find(".name").addEventListener("keydown", ({ key, target }) => key === "Enter" && target.blur());
    this.list.addEventListener("click", (event) => this.clicked(event));
    this.list.addEventListener("keydown", (event) => this.pressed(event));
    this.list.addEventListener("focusin", ({ target }) => this.setCurrent(this.idOf(target)));
    this.section.addEventListener("click", (event) => this.asked(event));
    this.find(".back").addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
      event.preventDefault();
      this.act({ do: "all" });
    });
    const menu = this.find(".menu");
    menu.addEventListener("keydown", (event) => answer(event, { Escape: () => this.openMenu(false) }));
    const elsewhere = (event) => event.composedPath().includes(menu) || this.openMenu(false);
    document.addEventListener("click", elsewhere, { signal: this.abort.signal });
  }

  draw({ id, name, notes, items, downloads, notices, undo, step }) {
    if (step !== this.step) this.answered();
    this.step = step;
    this.id = id;
    this.name.take(name);
    this.notes.take(notes);
    this.find(".count").textContent = told(items);
    this.find(".notices").replaceChildren(...notices.map((notice) => make("p", notice)));
    this.find("#downloads").replaceChildren(...downloads.map((download) => this.download(download)));
    this.find(".empty").hidden = items.length > 0;
    this.find(".actions [data-do=search]").disabled = !items.some(({ weight }) => weight > 0);
    this.find(".menu").hidden = items.length === 0;
    this.find(".toast").classList.toggle("told", Boolean(undo));
    this.find(".toast span").textContent = undo ?? "";
    if (!this.waiting) this.show(items); // else a later answer knows more
    this.panel.draw();
  }

  // Shows the items in this order.
  show(items) {
    const active = this.root.activeElement;
    const hadFocus = this.list.contains(active) && active.matches(":focus-visible");
    const known = this.elements;
    const index = this.items.findIndex(({ id }) => id === this.current);
    this.items = items;
    this.elements = new Map(items.map((item) => [item.id, fill(known.get(item.id) ?? this.element(item), item)]));
    this.list.replaceChildren(...this.elements.values());
    this.chosen = new Set([...this.chosen].filter((id) => this.elements.has(id)));
    const next = items[Math.min(Math.max(index, 0), items.length - 1)]; // where one was taken off, the one after it
    this.setCurrent(this.elements.has(this.current) ? this.current : (next?.id ?? null));
    if (hadFocus) this.focus(this.current);
    this.showChosen();
  }

  element({ id, name, thumbnail }) {
    const element = this.template("item");
    element.dataset.id = id;
    Object.assign(element.querySelector("img"), { src: thumbnail, alt: name });
    element.querySelector(".open").ariaLabel = `Open ${name}`;
    element.querySelector(".pick").ariaLabel = `Select ${name}`;
    return element;
  }

  download({ name, hint, href, refused, choices }) {
    const line = this.template("download");
    const link = line.querySelector("a");
    if (refused) link.ariaDisabled = "true";
    else link.href = href;
    line.querySelector("b").textContent = name;
    line.querySelector("span").textContent = refused ?? hint;
    const others = choices.map(([text, href]) => Object.assign(make("a", text), { href, download: "" }));
    line.querySelector(".choices").replaceChildren(...others);
    return line;
  }

  template(name) {
    return this.find(`.${name}-template`).content.cloneNode(true).firstElementChild;
  }

  item(id) {
    return this.items.find((item) => item.id === id);
  }

  idOf(target) {
    const id = Number(target.closest?.(".item")?.dataset.id);
    return this.elements.has(id) ? id : null;
  }

  // What an action on this item is about: the selection where the item is part of it, in the order of the board.
  with(id) {
    return this.chosen.has(id) ? this.items.map((item) => item.id).filter((one) => this.chosen.has(one)) : [id];
  }

  setCurrent(id) {
    this.list.querySelector(".open[tabindex='0']")?.setAttribute("tabindex", "-1");
    this.current = id;
    this.elements.get(id)?.querySelector(".open").setAttribute("tabindex", "0");
  }

  focus(id) {
    (this.elements.get(id) ?? this.list.firstElementChild)?.querySelector(".open").focus();
  }

  say(text) {
    this.find(".said").textContent = text;
  }

  // One at a time: of two that are sent while the page is drawn, only the later one would be heard.
  act(event) {
    this.queue.push(event);
    this.sendNext();
  }

  sendNext() {
    if (this.waiting || !this.queue.length) return;
    this.waiting = setTimeout(() => this.answered(), 5000); // longer than any answer takes
    this.send(this.queue.shift());
  }

  answered() {
    clearTimeout(this.waiting);
    this.waiting = 0;
    this.sendNext();
  }

  clicked(event) {
    const id = this.idOf(event.target);
    if (id === null) return;
    if (event.target.closest(".pick") || event.ctrlKey || event.metaKey) this.choose([id], !this.chosen.has(id));
    else if (event.shiftKey) this.chooseTo(id);
    else if (event.target.closest(".open")) this.panel.open(this.items.findIndex((item) => item.id === id));
  }

  pressed(event) {
    const { current: id, items } = this;
    const index = items.findIndex((item) => item.id === id);
    const ids = () => this.with(id);
    answer(event, {
      ArrowLeft: () => this.focus(items[index - 1]?.id),
      ArrowRight: () => this.focus((items[index + 1] ?? items[index]).id),
      ArrowUp: () => this.focus(items[this.beside(index, -1)].id),
      ArrowDown: () => this.focus(items[this.beside(index, 1)].id),
      Home: () => this.focus(items[0].id),
      End: () => this.focus(items.at(-1).id),
      "Alt+ArrowLeft": () => this.order.moveTo(id, index - 1),
      "Alt+ArrowRight": () => this.order.moveTo(id, index + 1),
      "Alt+ArrowUp": () => this.order.moveTo(id, this.beside(index, -1)),
      "Alt+ArrowDown": () => this.order.moveTo(id, this.beside(index, 1)),
      "Alt+Home": () => this.order.moveTo(id, 0),
      "Alt+End": () => this.order.moveTo(id, items.length - 1),
      " ": () => this.choose([id], !this.chosen.has(id)),
      Escape: () => this.choose([...this.chosen], false),
      Delete: () => this.act({ do: "remove", ids: ids() }),
      m: () => this.act({ do: "search", ids: ids() }),
      o: () => this.act({ do: "open", ids: [id] }),
    });
  }

  // The index a row above (-1) or below (1); the same where there is none.
  beside(index, direction) {
    const columns = getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
    const there = index + direction * columns;
    return there >= 0 && there < this.items.length ? there : index;
  }

  choose(ids, chosen) {
    for (const id of ids) chosen ? this.chosen.add(id) : this.chosen.delete(id);
    this.anchor = ids.at(-1) ?? null;
    this.showChosen();
  }

  chooseTo(id) {
    const at = (one) => this.items.findIndex((item) => item.id === one);
    const [from, to] = [at(this.anchor), at(id)];
    if (from < 0) return this.choose([id], true);
    const { anchor } = this;
    this.choose(this.items.slice(Math.min(from, to), Math.max(from, to) + 1).map((item) => item.id), true);
    this.anchor = anchor;
  }

  showChosen() {
    for (const [id, element] of this.elements) {
      element.classList.toggle("chosen", this.chosen.has(id));
      element.querySelector(".pick").ariaChecked = this.chosen.has(id);
    }
    this.section.classList.toggle("choosing", this.chosen.size > 0);
    this.find(".bar").hidden = this.chosen.size === 0;
    this.find(".bar output").textContent = this.chosen.size ? `${this.chosen.size} selected` : "";
  }

  // The buttons above the pictures, in the bar of the selection, and of what can be undone.
  asked(event) {
    const button = event.target.closest("button");
    if (!button || this.panel.dialog.contains(button) || this.list.contains(button)) return;
    const ids = this.items.map(({ id }) => id).filter((id) => this.chosen.has(id));
    const rest = this.items.filter(({ id }) => !this.chosen.has(id));
    const selected = this.find(".bar").contains(button);
    const what = button.dataset.do;
    if (button.ariaExpanded) this.openMenu(button.ariaExpanded === "false");
    else if (what === "link") copyLink(this.id, button);
    else if (what === "none") this.choose(ids, false);
    else if (what === "first") this.order.move(ids, rest[0]?.id ?? null);
    else if (what === "last") this.order.move(ids, null);
    else if (what) this.act(selected ? { do: what, ids } : { do: what });
  }

  openMenu(open) {
    const button = this.find(".menu button");
    if (!open && this.find("#downloads").contains(this.root.activeElement)) button.focus();
    button.ariaExpanded = String(open);
    this.find("#downloads").hidden = !open;
  }
}

function fill(element, { note, weight, missing, name }) {
  element.classList.toggle("gone", missing);
  element.querySelector(".title").textContent = name;
  element.querySelector(".title").title = name;
  element.querySelector(".note").textContent = note;
  element.querySelector(".note").hidden = !note;
  element.querySelector(".missing").hidden = !missing;
  const badge = element.querySelector(".weight");
  badge.hidden = weight === 1;
  badge.textContent = shownWeight(weight);
  badge.title = "How much it counts when you search with the board";
  return element;
}

function told(items) {
  const missing = items.filter((item) => item.missing).length;
  const pictures = `${items.length.toLocaleString("en")} ${items.length === 1 ? "picture" : "pictures"}`;
  if (!missing) return pictures;
  return `${pictures}, ${missing} of them without ${missing === 1 ? "its" : "their"} file`;
}

async function copyLink(id, button) {
  const { textContent } = button;
  await navigator.clipboard.writeText(`${location.origin}/boards?board=${id}`);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = textContent), 1500);
}

function make(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
