// A picture to look into, by OpenSeadragon: the wheel, two fingers, + and - zoom, dragging and the arrow keys move.

const VIEWER = "/vendor/openseadragon-6.1.1.min.js";
let loading;

function loadViewer() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.onload = () => resolve(window.OpenSeadragon);
    script.onerror = reject;
    script.src = VIEWER;
    document.head.append(script);
  });
  return loading;
}

class Zoom {
  // `onMissing` is called where there is no more to show than the thumbnail.
  constructor(element, onMissing) {
    this.element = element;
    this.onMissing = onMissing;
    this.overlay = null;
    this.heat = null;
    this.veil = null;
    this.veiled = null; // what it covers
  }

  async show(picture) {
    if (this.picture?.picture === picture.picture) return;
    this.picture = picture;
    const OpenSeadragon = await loadViewer();
    if (this.picture !== picture || !this.element.isConnected) return; // another one was asked for meanwhile
    this.viewer ??= this.made(OpenSeadragon);
    this.viewer.canvas.ariaLabel = `${picture.name}: + and - zoom, arrow keys move`;
    this.dropHeat();
    this.dropVeil();
    this.element.dataset.state = "loading";
    // The thumbnail lies beneath until the rest is there.
    const layers = [sharp(picture)];
    if (picture.thumbnail !== picture.picture) layers.unshift({ type: "image", url: picture.thumbnail });
    this.viewer.open(layers.map((tileSource) => ({ tileSource, width: 1 })));
  }

  made(OpenSeadragon) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const viewer = new OpenSeadragon.Viewer({
      element: this.element,
      drawer: "canvas",
      showNavigationControl: false,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      maxZoomPixelRatio: 8,
      minZoomImageRatio: 0.8,
      visibilityRatio: 0.5,
      animationTime: calm ? 0 : 0.4,
      blendTime: calm ? 0 : 0.1,
      imageLoaderLimit: 4,
    });
    viewer.canvas.role = "application";
    const giveUp = () => {
      this.element.dataset.state = "missing";
      this.onMissing?.();
    };
    viewer.addHandler("open-failed", giveUp);
    viewer.addHandler("add-item-failed", ({ source }) => this.isBeneath(source) || giveUp());
    viewer.addHandler("tile-load-failed", ({ tiledImage }) => {
      if (tiledImage !== this.sharpest() || !this.picture.tiles) return;
      this.picture = { ...this.picture, tiles: null }; // what the server makes of it in one piece is better than nothing
      viewer.addTiledImage({ tileSource: sharp(this.picture), width: 1, index: viewer.world.getIndexOfItem(tiledImage), replace: true });
    });
    viewer.addHandler("tile-loaded", ({ tiledImage }) => {
      if (tiledImage === this.sharpest()) this.element.dataset.state = "ready";
    });
    viewer.addHandler("open", () => {
      this.drawVeil();
      this.drawHeat();
    });
    return viewer;
  }

  // What lies over the thumbnail, once it is there.
  sharpest() {
    const { world } = this.viewer;
    const items = Array.from({ length: world.getItemCount() }, (_, index) => world.getItemAt(index));
    return items.find(({ source }) => !this.isBeneath(source)) ?? null;
  }

  isBeneath(source) {
    return source?.url === this.picture.thumbnail && source.url !== this.picture.picture;
  }

  // Lays a heat map over the picture; null: none. `strength` is its opacity.
  setHeat(heat, strength) {
    this.heat = heat;
    this.strength = strength;
    if (this.viewer?.isOpen()) this.drawHeat();
  }

  drawHeat() {
    if (!this.heat) return this.dropHeat();
    const [left, top, right, bottom] = this.heat.box;
    if (this.overlay?.src !== this.heat.image) {
      this.dropHeat();
      this.overlay = Object.assign(new Image(), { src: this.heat.image, alt: "" });
      this.overlay.className = "heat";
      // A square that is wider than the picture must not spill over its edges.
      const cut = [-top / (bottom - top), (right - 1) / (right - left), (bottom - 1) / (bottom - top), -left / (right - left)];
      this.overlay.style.clipPath = `inset(${cut.map((share) => `${100 * Math.max(0, share)}%`).join(" ")})`;
      this.lay(this.overlay, left, top, right, bottom);
    }
    this.overlay.style.opacity = this.strength;
  }

  dropHeat() {
    if (this.overlay) this.viewer.removeOverlay(this.overlay);
    this.overlay = null;
  }

  // Cuts away what is not the subject, or what is; null: nothing. `image` is opaque where the subject is.
  setVeil(veil) {
    this.veiled = veil;
    if (this.viewer?.isOpen()) this.drawVeil();
  }

  drawVeil() {
    this.dropVeil();
    if (!this.veiled) return;
    const { image, only } = this.veiled;
    this.veil = document.createElement("div");
    this.veil.className = "veil";
    const subject = `url(${image})`;
    this.veil.style.maskImage = only === "background" ? subject : `${subject}, linear-gradient(#000, #000)`;
    this.veil.style.maskComposite = "exclude";
    this.lay(this.veil, 0, 0, 1, 1);
  }

  // Over a part of the picture; edges are shares of its sides.
  lay(element, left, top, right, bottom) {
    const tall = this.picture.height / this.picture.width;
    const spare = 0.002; // the viewer rounds its size down
    const location = new window.OpenSeadragon.Rect(left, top * tall, right - left + spare, (bottom - top) * tall + spare);
    this.viewer.addOverlay({ element, location });
  }

  dropVeil() {
    if (this.veil) this.viewer.removeOverlay(this.veil);
    this.veil = null;
  }

  zoomBy(factor) {
    this.viewer?.viewport.zoomBy(factor).applyConstraints();
  }

  fit() {
    this.viewer?.viewport.goHome();
  }

  // One pixel of the picture on one pixel of the screen.
  actual() {
    const item = this.viewer && this.sharpest();
    if (!item) return;
    const size = item.getContentSize();
    const scale = size.x / this.picture.width; // a picture in one piece may have been made smaller
    this.viewer.viewport.zoomTo(item.imageToViewportZoom(1 / (scale * devicePixelRatio)));
  }

  destroy() {
    this.picture = null;
    this.viewer?.destroy();
    this.viewer = null;
  }
}

function sharp({ tiles, picture, width, height, tileSide, overlap, levels }) {
  if (!tiles) return { type: "image", url: picture };
  const getTileUrl = (level, column, row) => `${tiles}/${level}/${column}_${row}.jpg`;
  return { width, height, tileSize: tileSide, tileOverlap: overlap, minLevel: levels[0], maxLevel: levels[1], getTileUrl };
}
