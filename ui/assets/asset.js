// One picture: looking into it, comparing it with a reference, what is known of it, and what is close to it.

const views = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let view = views.get(parentElement);
  if (!view) views.set(parentElement, (view = new AssetView(parentElement)));
  view.send = (event) => setTriggerValue("act", event);
  view.draw(data);
  return () => {
    view.picture.destroy();
    view.reference.destroy();
    views.delete(parentElement);
  };
}

const TRAITS = { colour: "Colour", tone: "Light and dark", texture: "Texture", line: "Line" };
const WORDS = [[0.85, "very alike"], [0.65, "alike"], [0.45, "somewhat alike"], [0.25, "different"], [0, "very different"]];

class AssetView {
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    this.section = this.find(".asset");
    const missing = this.find(".picture .missing");
    this.picture = new Zoom(this.find(".picture .zoom"), () => (missing.hidden = false));
    this.reference = new Zoom(this.find(".reference .zoom"));
    this.explained = null; // what has been asked for last
    this.only = null; // "subject" or "background" where the rest is cut away
    this.section.addEventListener("click", (event) => this.clicked(event.target.closest("button, a")));
    this.find(".strength input").addEventListener("input", () => this.drawHeat());
    this.find(".add").addEventListener("submit", (event) => {
      event.preventDefault();
      const input = this.find(".add input");
      if (input.value.trim()) this.send({ do: "tag", name: input.value.trim() });
      input.value = "";
    });
  }

  draw(data) {
    if (this.data?.id !== data.id) {
      this.find(".picture .missing").hidden = true;
      this.find("aside").scrollTop = 0;
    }
    this.data = data;
    this.find("h2").textContent = data.title || data.name;
    this.find(".back span").textContent = data.searching ? "Back to the search" : "Search";
    this.find(".picture .name").textContent = data.name;
    this.fill(".notices", data.notices, (text) => make("p", text));
    this.drawKnown(data);
    this.drawWhy(data);
    this.drawSubject(data.subject);
    this.find(".neighbours h3").textContent = data.region ? `${data.region[0].toUpperCase()}${data.region.slice(1)}s closest in style` : "Closest in style";
    this.drawOrigin(data);
    this.find(".neighbours").hidden = !data.neighbours.length;
    this.fill(".neighbours ul", data.neighbours, neighbour);
    this.picture.show(data);
  }

  drawKnown({ palette, facts, generation, tags, places, morePlaces }) {
    this.find(".colours").hidden = !palette.length;
    this.fill(".palette", palette, swatch);
    this.fill(".about .facts", facts, row);
    this.find(".made").hidden = !generation.length;
    this.fill(".generation", generation, row);
    this.fill(".tags", tags, tag);
    const count = places.length + morePlaces;
    this.find(".where").textContent = count > 1 ? `Where its ${count.toLocaleString()} copies lie` : "Where it lies";
    this.fill(".places", places, (one) => this.place(one));
    if (!count) this.find(".places").append(make("li", "Every file of it is gone."));
    if (morePlaces) this.find(".places").append(make("li", `and ${morePlaces.toLocaleString()} more`));
  }

  drawSubject(subject) {
    this.find(".subject").hidden = !subject;
    this.find(".show").hidden = !subject?.image;
    this.find(".note").textContent = subject?.note ?? "";
    for (const button of this.find(".show").children) button.ariaPressed = String(button.dataset.only === this.only);
    this.picture.setVeil(subject?.image && this.only ? { image: subject.image, only: this.only } : null);
  }

  // What it was made from, and what was made from it.
  drawOrigin({ origin, descendants }) {
    this.find(".origin").hidden = !origin;
    this.fill(".ingredients", origin?.ingredients ?? [], ingredient);
    this.fill(".origin .facts", origin?.facts ?? [], row);
    this.find(".descendants").hidden = !descendants.length;
    this.fill(".descendants ul", descendants, neighbour);
  }

  drawWhy({ id, reference, references, why, region }) {
    this.find(".why").hidden = this.find(".comparing").hidden = !reference;
    this.find(".reference").hidden = !reference || !this.isOn("side");
    if (!reference) return this.drawHeat();
    this.find(".reference .name").textContent = reference.name;
    this.fill(".references", references, (one) => chip(one, one.key === reference.key));
    this.find(".basis").hidden = !region;
    this.find(".likeness").textContent = why?.traits ? `likeness ${why.likeness.toFixed(2)}` : "";
    const problem = this.find(".problem");
    problem.hidden = !why?.problem;
    problem.textContent = why?.problem ?? "";
    const bars = this.find(".bars");
    bars.hidden = Boolean(why?.problem);
    bars.ariaBusy = String(!why);
    this.fill(".bars", Object.entries(TRAITS), ([name, label]) => this.bar(label, why?.traits?.[name]));
    this.find("[data-toggle=heat]").disabled = !why?.heat;
    if (this.isOn("side")) this.reference.show(reference);
    this.drawHeat();
    const question = `${id} ${reference.key}`;
    if (!why && this.explained !== question) this.send({ do: "explain" });
    this.explained = question;
  }

  drawHeat() {
    const why = this.data.reference && this.isOn("heat") ? this.data.why : null;
    const strength = this.find(".strength input").value;
    this.find(".strength").hidden = !why?.heat;
    this.picture.setHeat(why?.heat ?? null, strength);
    this.reference.setHeat(why?.referenceHeat ?? null, strength);
  }

  fill(selector, items, element) {
    this.find(selector).replaceChildren(...items.map(element));
  }

  isOn(toggle) {
    return this.find(`[data-toggle=${toggle}]`).ariaPressed === "true";
  }

  bar(label, value) {
    const bar = this.find(".bar-template").content.cloneNode(true).firstElementChild;
    bar.querySelector("dt").textContent = label;
    const meter = bar.querySelector(".bar");
    const word = value === undefined ? "…" : WORDS.find(([least]) => value >= least)[1];
    bar.querySelector(".word").textContent = word;
    meter.ariaLabel = label;
    meter.ariaValueNow = (value ?? 0).toFixed(2);
    meter.ariaValueText = word;
    meter.title = value === undefined ? "" : `${Math.round(100 * value)} of 100; two pictures of different styles come to 50 on average`;
    meter.firstElementChild.style.width = `${100 * (value ?? 0)}%`;
    return bar;
  }

  place({ path, there }) {
    const line = this.find(".place-template").content.cloneNode(true).firstElementChild;
    line.querySelector("code").textContent = path;
    const note = line.querySelector(".there");
    note.textContent = there === null ? "on a server" : there ? "" : "not there now";
    note.hidden = there === true;
    line.querySelector("button").dataset.copy = path;
    return line;
  }

  clicked(control) {
    if (!control) return;
    const { copy: text, zoom, toggle, only, untag, key, id } = control.dataset;
    if (control.dataset.do) this.send({ do: control.dataset.do });
    else if (text) this.copy(text, control);
    else if (zoom) this.zoomed(zoom);
    else if (toggle) this.toggled(toggle, control);
    else if (only) {
      this.only = this.only === only ? null : only;
      this.drawSubject(this.data.subject);
    } else if (untag) this.send({ do: "untag", name: untag });
    else if (key) this.send({ do: "against", key: /^\d+$/.test(key) ? Number(key) : key });
    else if (id) this.send({ do: "open", id: Number(id) });
  }

  zoomed(how) {
    for (const pane of [this.picture, this.reference]) {
      if (how === "in" || how === "out") pane.zoomBy(how === "in" ? 1.5 : 1 / 1.5);
      else pane[how]();
    }
  }

  toggled(name, control) {
    control.ariaPressed = String(!this.isOn(name));
    this.drawWhy(this.data);
  }

  async copy(text, control) {
    await navigator.clipboard.writeText(text);
    if (control.classList.contains("swatch")) {
      this.find(".told").textContent = `Copied ${text}`;
      return;
    }
    control.textContent = "Copied";
    setTimeout(() => (control.textContent = "Copy path"), 1500);
  }
}

function make(tag, text = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function row({ name, value, link }) {
  const group = make("div");
  const meaning = make("dd", link ? "" : value);
  if (link) meaning.append(Object.assign(make("a", value), { href: link, target: "_blank", rel: "noopener noreferrer" }));
  group.append(make("dt", name), meaning);
  return group;
}

function swatch({ hex, share }) {
  const item = make("li");
  item.style.flexGrow = Math.max(share, 0.06);
  const button = Object.assign(make("button"), { type: "button", className: "swatch", title: `Copy ${hex}` });
  button.ariaLabel = `Copy ${hex}, ${Math.round(100 * share)} percent`;
  button.dataset.copy = hex;
  button.style.background = hex;
  item.append(button);
  return item;
}

function tag({ name, own }) {
  const item = make("li", name);
  if (!own) return Object.assign(item, { title: "Stands in the file" });
  const button = Object.assign(make("button", "×"), { type: "button", title: "Take this tag away" });
  button.ariaLabel = `Take away the tag ${name}`;
  button.dataset.untag = name;
  item.append(button);
  return item;
}

function chip({ key, name, image }, current) {
  const button = Object.assign(make("button"), { type: "button", title: name });
  button.append(Object.assign(new Image(), { src: image, alt: "" }));
  button.ariaLabel = `Compare with ${name}`;
  button.ariaPressed = String(current);
  button.dataset.key = key;
  const item = make("li");
  item.append(button);
  return item;
}

function ingredient({ id, name, thumbnail, role, note }) {
  const item = make("li");
  const words = make("span", `${name}${role === "shows" ? ", what it shows" : ""}`);
  words.append(make("small", note));
  if (id === null) item.append(words);
  else {
    const button = Object.assign(make("button"), { type: "button", title: name });
    button.dataset.id = id;
    button.append(Object.assign(new Image(), { src: thumbnail, alt: "" }), words);
    item.append(button);
  }
  return item;
}

function neighbour({ id, name, thumbnail, width, height }) {
  const button = Object.assign(make("button"), { type: "button", title: name });
  button.dataset.id = id;
  const image = Object.assign(new Image(), { src: thumbnail, alt: name, loading: "lazy" });
  button.style.aspectRatio = Math.min(2.2, Math.max(0.6, width / height));
  button.append(image);
  const item = make("li");
  item.append(button);
  return item;
}
