// Small pictures on the map: which ones, where, and out of which sheets they come.

const SIDE = 128; // pixels of a picture in a sheet; those of ui/atlas_routes.py
const COLUMNS = 8;
const IN_SHEET = 64;
const MOST_KEPT = 6000; // of 64 kB each
const MOST_AT_ONCE = 4; // sheets
const CELL = 84; // pixels at least, twice that at most

class Tiles {
  constructor(loaded) {
    this.loaded = loaded; // called when more pictures are there
    this.kept = new Map(); // id -> { image, column, row }
    this.wanted = [];
    this.asked = new Set();
    this.loading = 0;
    this.shown = []; // { index, left, top, size }
  }

  /** One picture for each cell of a grid that is fixed to the map, so that they stay while it is moved.
   *
   * points: { x, y, ids, rank }, the least rank of a cell is shown. view: { scale, left, top, width, height }, so that
   * a point lies at (left + scale * x, top - scale * y). most: pixels of a picture.
   */
  choose({ x, y, ids, rank }, view, most) {
    const { scale, left, top, width, height } = view;
    const step = CELL / 2 ** Math.floor(Math.log2(scale));
    const cell = step * scale;
    const firstColumn = Math.floor(-left / cell);
    const firstRow = Math.floor(-top / cell);
    const columns = Math.ceil(width / cell) + 1;
    const rows = Math.ceil(height / cell) + 1;
    const best = new Int32Array(columns * rows).fill(-1);
    const counts = new Uint32Array(columns * rows);
    for (let index = 0; index < x.length; index++) {
      const across = left + scale * x[index];
      const down = top - scale * y[index];
      if (across < 0 || down < 0 || across > width || down > height) continue;
      const column = Math.floor((across - left) / cell) - firstColumn;
      const row = Math.floor((down - top) / cell) - firstRow;
      const place = row * columns + column;
      counts[place]++;
      if (best[place] < 0 || rank[index] < rank[best[place]]) best[place] = index;
    }
    this.shown = [];
    for (let place = 0; place < best.length; place++) {
      const index = best[place];
      if (index < 0) continue;
      // Where one picture stands for many, their points should be seen around it.
      const crowded = Math.min(1, Math.log(counts[place]) / Math.log(400));
      const size = Math.min(most, cell * (0.88 - 0.5 * crowded));
      const cellLeft = left + (firstColumn + (place % columns)) * cell;
      const cellTop = top + (firstRow + Math.floor(place / columns)) * cell;
      const within = (value, start) => Math.min(Math.max(value - size / 2, start + 1), start + cell - size - 1);
      const tile = { index, left: within(left + scale * x[index], cellLeft), size };
      this.shown.push({ ...tile, top: within(top - scale * y[index], cellTop) });
    }
    this.wanted = this.shown.map((tile) => ids[tile.index]).filter((id) => !this.kept.has(id) && !this.asked.has(id));
  }

  /** Every picture at its own place; those of few pictures lie `gap` apart. */
  chooseAll({ x, y, ids }, { scale, left, top, width, height }, gap) {
    const size = Math.min(320, 0.86 * gap * scale);
    this.shown = [];
    for (let index = 0; index < x.length; index++) {
      const tile = { index, left: left + scale * x[index] - size / 2, top: top - scale * y[index] - size / 2, size };
      if (tile.left < width && tile.top < height && tile.left + size > 0 && tile.top + size > 0) this.shown.push(tile);
    }
    this.wanted = this.shown.map((tile) => ids[tile.index]).filter((id) => !this.kept.has(id) && !this.asked.has(id));
  }

  at(across, down) {
    const over = ({ left, top, size }) => across >= left && across <= left + size && down >= top && down <= top + size;
    return this.shown.find(over)?.index ?? -1;
  }

  draw(pen, { ids, colours, families }, isMarked, ink) {
    for (const { index, left, top, size } of this.shown) {
      const picture = this.kept.get(ids[index]);
      if (!picture) continue;
      const { image, column, row } = picture;
      const edge = isMarked(index) ? 4 : 2;
      pen.fillStyle = isMarked(index) ? ink : colours[families[index]];
      pen.beginPath();
      pen.roundRect(left - edge, top - edge, size + 2 * edge, size + 2 * edge, 4 + edge / 2);
      pen.fill();
      pen.drawImage(image, column * SIDE, row * SIDE, SIDE, SIDE, left, top, size, size);
    }
  }

  /** Asks for the pictures that are shown and not there. */
  load() {
    while (this.wanted.length && this.loading < MOST_AT_ONCE) {
      const some = this.wanted.splice(0, IN_SHEET);
      some.forEach((id) => this.asked.add(id));
      const image = new Image();
      image.onload = () => {
        if (this.kept.size > MOST_KEPT) this.kept.clear();
        some.forEach((id, place) => {
          this.kept.set(id, { image, column: place % COLUMNS, row: Math.floor(place / COLUMNS) });
        });
        this.ended(some);
      };
      image.onerror = () => this.ended(some);
      image.src = `/map/pictures?ids=${some.join()}`;
      this.loading++;
    }
  }

  ended(some) {
    this.loading--;
    some.forEach((id) => this.asked.delete(id));
    this.loaded();
    this.load();
  }
}
