// The references of a search, and the ways to bring another: dialog, drop anywhere, paste, words, a tile of the page.

const trays = new WeakMap();
const TILES = "application/x-stylesearch"; // ids of pictures of the gallery that are being dragged

export default function ({ data, parentElement, setTriggerValue }) {
  let tray = trays.get(parentElement);
  if (!tray) trays.set(parentElement, (tray = new Tray(parentElement)));
  tray.act = (event) => setTriggerValue("act", event);
  tray.draw(data);
  return () => {
    tray.abort.abort();
    trays.delete(parentElement);
  };
}

class Tray {
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    this.abort = new AbortController();
    const on = (target, kind, listener) => target.addEventListener(kind, listener, { signal: this.abort.signal });
    const input = this.find(".files");
    on(this.find(".add"), "click", () => input.click());
    on(input, "change", () => {
      this.take([...input.files]);
      input.value = ""; // so that the same file can be chosen again
    });
    on(this.find(".clear"), "click", () => this.act({ do: "clear" }));
    on(this.find(".chips"), "click", (event) => this.clicked(event));
    on(this.find(".regions"), "change", ({ target }) => this.act({ do: "region", region: target.value }));
    on(this.find(".regions"), "keydown", (event) => event.stopPropagation());
    on(this.find(".words"), "submit", (event) => {
      event.preventDefault();
      this.say();
    });
    on(this.words, "search", () => this.words.value || this.say()); // its cross was pressed
    on(this.words, "keydown", (event) => event.stopPropagation()); // Streamlit has shortcuts of its own
    on(document, "paste", (event) => this.pasted(event));
    on(window, "dragenter", (event) => this.dragged(event));
    on(window, "dragleave", (event) => event.relatedTarget === null && this.settle());
    on(window, "dragover", (event) => holdsFiles(event) && event.preventDefault());
    on(window, "dragend", () => this.settle());
    on(window, "drop", (event) => this.dropped(event));
    for (const zone of root.querySelectorAll(".zone")) {
      on(zone, "dragover", (event) => event.preventDefault());
      on(zone, "dragenter", () => zone.classList.add("over"));
      on(zone, "dragleave", () => zone.classList.remove("over"));
      on(zone, "drop", (event) => this.pick(event, zone.dataset.side === "less"));
    }
  }

  get words() {
    return this.find(".words input");
  }

  draw({ references, text, regions, region, notices, weights, maxBytes }) {
    this.maxBytes = maxBytes;
    this.weights = weights;
    this.text = text ?? "";
    const anything = references.length > 0 || this.text;
    this.find(".hint").hidden = anything;
    this.find(".clear").hidden = !anything;
    this.drawRegions(anything ? regions : [], region);
    const focused = this.find(".chips :focus")?.className;
    const key = this.find(".chips :focus")?.closest(".chip").dataset.key;
    this.find(".chips").replaceChildren(...references.map((reference) => this.chip(reference)));
    if (key) [...this.find(".chips").children].find((chip) => chip.dataset.key === key)?.querySelector(`.${focused}`)?.focus();
    Object.assign(this.words, {
      value: this.text,
      disabled: text === null,
      placeholder: text === null ? "The model of this library reads no words" : "or say it: ink wash, muted",
      title: text === null ? "A library made with another model can: stylesearch init FOLDER --encoder compact:v3" : "",
    });
    this.tell(notices);
  }

  // Of which regions the style can count; nothing to choose where there is one alone.
  drawRegions(regions, chosen) {
    this.find(".regions").hidden = regions.length < 2;
    const group = this.find(".segments");
    if (group.children.length !== regions.length) group.replaceChildren(...regions.map(choice)); // else a focus would be lost
    for (const input of group.querySelectorAll("input")) input.checked = input.value === chosen;
  }

  chip({ key, name, image, less, weight, part, all }) {
    const chip = this.find("template").content.cloneNode(true).firstElementChild;
    const button = (kind, label, title) => Object.assign(chip.querySelector(`.${kind}`), { ariaLabel: label, title });
    chip.dataset.key = JSON.stringify(key);
    chip.dataset.weight = weight;
    chip.classList.toggle("less", less);
    chip.dataset.part = part;
    chip.title = name;
    chip.querySelector(".all").hidden = !all;
    Object.assign(chip.querySelector("img"), { src: image, alt: name });
    button("part", `Choose a part of ${name}`, part ? "Only this part counts. Choose another" : "Choose a part of it");
    chip.querySelector(".turn span").textContent = less ? "Less like" : "More like";
    const turn = less ? "Look for more like this instead" : "Look for less like this instead";
    button("turn", `${less ? "Less" : "More"} like ${name}. ${turn}`, turn);
    chip.querySelector(".weight").textContent = factor(weight);
    button("weight", `${name} counts ${factor(weight)}. Change`, "How much it counts");
    button("remove", `Take away ${name}`, "Take away");
    return chip;
  }

  clicked(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const { key: written, weight } = button.closest(".chip").dataset;
    const key = JSON.parse(written);
    const next = this.weights[(this.weights.indexOf(Number(weight)) + 1) % this.weights.length];
    const kind = button.classList[0];
    if (kind === "weight") this.act({ do: "weigh", key, weight: next });
    else this.act({ do: { part: "crop", remove: "remove", turn: "turn" }[kind], key });
  }

  say() {
    if (this.words.value.trim() !== this.text) this.act({ do: "text", text: this.words.value });
  }

  pasted(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    const writing = event.composedPath()[0].matches?.("input, textarea, [contenteditable]");
    const ids = writing || files.length ? [] : idsOf(event.clipboardData?.getData("text/plain"));
    if (!files.length && !ids.length) return; // text goes where it was meant to
    event.preventDefault();
    if (files.length) this.take(files);
    else this.act({ do: "pick", ids, less: false });
  }

  dragged(event) {
    if (event.dataTransfer?.types.includes(TILES)) this.find(".zones").hidden = false;
    else if (holdsFiles(event)) this.veil(true);
  }

  dropped(event) {
    this.settle();
    if (!holdsFiles(event)) return;
    event.preventDefault();
    this.take([...event.dataTransfer.files]);
  }

  pick(event, less) {
    event.preventDefault();
    const { dataTransfer } = event;
    const ids = dataTransfer.getData(TILES) ? JSON.parse(dataTransfer.getData(TILES)) : [];
    if (ids.length) this.act({ do: "pick", ids, less });
  }

  settle() {
    this.veil(false);
    this.find(".zones").hidden = true;
    this.find(".zone.over")?.classList.remove("over");
  }

  async take(files) {
    const fitting = files.filter((file) => file.size <= this.maxBytes);
    const megabytes = (bytes) => `${Math.ceil(bytes / 1e6)} MB`;
    this.tell(
      files
        .filter((file) => file.size > this.maxBytes)
        .map(({ name, size }) => `“${name}” has ${megabytes(size)}; a reference may have ${megabytes(this.maxBytes)}.`),
    );
    if (!fitting.length) return;
    this.find(".hint").hidden = true;
    for (const file of fitting) {
      const chip = this.chip({ key: "", name: file.name, image: URL.createObjectURL(file), less: false, weight: 1, part: "" });
      chip.classList.add("waiting");
      chip.querySelector("img").onload = (event) => URL.revokeObjectURL(event.target.src);
      this.find(".chips").append(chip);
    }
    try {
      const sent = await Promise.all(fitting.map(async (file) => ({ name: file.name, data: await dataUrl(file) })));
      this.act({ do: "add", files: sent });
    } catch {
      for (const chip of this.find(".chips").querySelectorAll(".waiting")) chip.remove();
      this.tell(["What was dropped is not a file that can be read; a folder, perhaps."]);
    }
  }

  tell(messages) {
    const close = (line) => {
      const button = document.createElement("button");
      button.className = "round";
      button.ariaLabel = "Dismiss";
      button.textContent = "×";
      button.onclick = () => line.remove();
      return button;
    };
    this.find(".notices").replaceChildren(
      ...messages.map((message) => {
        const line = document.createElement("p");
        line.append(message, close(line));
        return line;
      }),
    );
  }

  veil(shown) {
    this.find(".veil").togglePopover(shown);
  }
}

const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");

function choice({ region, label }) {
  const words = Object.assign(document.createElement("span"), { textContent: label });
  const choice = document.createElement("label");
  choice.append(Object.assign(document.createElement("input"), { type: "radio", name: "region", value: region }), words);
  return choice;
}

const factor = (weight) => ({ 0.5: "×½", 1: "×1", 2: "×2" })[weight] ?? `×${weight}`;

// The pictures that addresses of this very page stand for.
function idsOf(text) {
  const address = URL.parse(text?.trim() ?? "");
  if (!address || address.origin !== location.origin) return [];
  const id = address.pathname.match(/^\/pictures\/(\d+)\//)?.[1] ?? address.searchParams.get("id");
  return address.pathname === "/asset" || address.pathname.startsWith("/pictures/") ? [Number(id)].filter(Number.isSafeInteger) : [];
}

const dataUrl = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
