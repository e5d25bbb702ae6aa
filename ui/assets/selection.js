// The pictures that are selected, and the bar of what can be done with them.

class Selection {
  // `gallery` holds the tiles in their order, and does what is asked of some of them.
  constructor(gallery, bar) {
    this.gallery = gallery;
    this.bar = bar;
    this.ids = new Set();
    this.anchor = null; // the id from which a range goes
    this.before = []; // what was selected before the range
    bar.addEventListener("click", ({ target }) => this.ask(target.closest("button")));
    bar.addEventListener("keydown", (event) => answer(event, { Escape: () => this.clear() }));
    for (const id of new URLSearchParams(location.search).get("select")?.split(",") ?? []) this.ids.add(Number(id));
  }

  toggle(id) {
    if (!this.ids.delete(id)) this.ids.add(id);
    this.anchor = id;
    this.before = [...this.ids];
    this.show();
  }

  // All from the anchor to this index, beside what was selected before.
  range(index) {
    const { tiles } = this.gallery;
    const from = tiles.findIndex(({ id }) => id === this.anchor);
    if (from < 0) return this.toggle(tiles[index].id);
    const some = tiles.slice(Math.min(from, index), Math.max(from, index) + 1);
    this.ids = new Set([...this.before, ...some.map(({ id }) => id)]);
    this.show();
  }

  // Where a range begins that the keyboard is about to draw.
  startAt(index) {
    const { id } = this.gallery.tiles[index];
    if (this.anchor !== null && this.ids.has(this.anchor)) return;
    this.anchor = id;
    this.before = [...this.ids, id];
  }

  all() {
    for (const { id } of this.gallery.tiles) this.ids.add(id);
    this.show();
  }

  clear() {
    this.ids.clear();
    this.anchor = null;
    this.before = [];
    this.show();
  }

  // What an action on this picture is about: the selection where the picture is part of it.
  with(id) {
    return this.ids.has(id) ? this.chosen() : [id];
  }

  chosen() {
    return this.gallery.tiles.map(({ id }) => id).filter((id) => this.ids.has(id));
  }

  // Those that are shown no more are selected no more.
  keepShown() {
    const shown = new Set(this.gallery.tiles.map(({ id }) => id));
    this.ids = this.ids.intersection(shown);
    this.before = this.before.filter((id) => shown.has(id));
    this.show();
  }

  show() {
    for (const [id, element] of this.gallery.elements) {
      const chosen = this.ids.has(id);
      element.classList.toggle("chosen", chosen);
      element.querySelector(".pick").ariaChecked = chosen;
    }
    const hadFocus = this.bar.contains(this.bar.getRootNode().activeElement);
    this.bar.hidden = this.ids.size === 0;
    if (this.bar.hidden && hadFocus) this.gallery.focus(this.gallery.current);
    this.bar.querySelector("output").textContent = this.ids.size ? `${this.ids.size} selected` : "";
    this.gallery.section.classList.toggle("choosing", this.ids.size > 0);
  }

  ask(button) {
    const ids = this.chosen();
    const paths = () => this.gallery.tiles.filter(({ id }) => this.ids.has(id)).flatMap((tile) => tile.paths.slice(0, 1));
    const what = button?.dataset.do;
    if (what === "none") this.clear();
    else if (what === "paths") copy(paths().join("\n"), button);
    else if (what === "link") copy(linkTo(ids), button);
    else if (what) this.gallery.act({ do: what, ids });
  }
}

function linkTo(ids) {
  const address = new URL(location);
  address.searchParams.set("select", ids.join(","));
  return address.href;
}
