// The order of a board: by dragging, and by keyboard.

class Order {
  // `board` holds the items in their order and their elements, and sends what was decided.
  constructor(board, list) {
    this.board = board;
    this.list = list;
    this.dragged = []; // ids
    list.addEventListener("dragstart", (event) => this.start(event));
    list.addEventListener("dragover", (event) => this.over(event));
    list.addEventListener("drop", (event) => this.drop(event));
    list.addEventListener("dragend", () => this.end());
    list.addEventListener("dragleave", (event) => list.contains(event.relatedTarget) || this.mark(null));
  }

  start(event) {
    const id = this.board.idOf(event.target);
    if (id === null) return;
    this.dragged = this.board.with(id);
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", this.board.item(id).name);
    for (const one of this.dragged) this.board.elements.get(one).classList.add("dragged");
  }

  over(event) {
    if (!this.dragged.length) return;
    event.preventDefault();
    const place = this.placeAt(event);
    if (place) this.mark(place);
  }

  // The item beside which the pointer is, and on which side.
  placeAt(event) {
    const id = this.board.idOf(event.target);
    if (id === null) return this.place; // between two of them, the last one still holds
    const box = this.board.elements.get(id).getBoundingClientRect();
    return { id, side: event.clientX < box.left + box.width / 2 ? "before" : "after" };
  }

  mark(place) {
    this.list.querySelector(".before, .after")?.classList.remove("before", "after");
    this.place = place;
    if (place) this.board.elements.get(place.id)?.classList.add(place.side);
  }

  drop(event) {
    if (!this.dragged.length) return;
    event.preventDefault();
    const { place, dragged } = this;
    this.end();
    if (!place) return;
    const ids = this.board.items.map(({ id }) => id);
    const start = ids.indexOf(place.id) + (place.side === "after" ? 1 : 0);
    this.move(dragged, ids.slice(start).find((id) => !dragged.includes(id)) ?? null);
  }

  end() {
    for (const id of this.dragged) this.board.elements.get(id)?.classList.remove("dragged");
    this.dragged = [];
    this.mark(null);
  }

  // Moves items before another one, or to the end: shown at once, and sent.
  move(moving, before) {
    const { items } = this.board;
    const moved = items.filter(({ id }) => moving.includes(id));
    const rest = items.filter(({ id }) => !moving.includes(id));
    const place = before === null ? rest.length : rest.findIndex(({ id }) => id === before);
    const next = rest.toSpliced(place, 0, ...moved);
    if (next.every(({ id }, index) => id === items[index].id)) return;
    this.board.show(next);
    this.board.say(`${moved[0].name} is number ${next.indexOf(moved[0]) + 1} of ${next.length}`);
    this.board.act({ do: "move", ids: moved.map(({ id }) => id), before });
  }

  // Moves one item to another index.
  moveTo(id, index) {
    const rest = this.board.items.filter((item) => item.id !== id);
    if (index < 0 || index > rest.length) return;
    this.move([id], rest[index]?.id ?? null);
  }
}
