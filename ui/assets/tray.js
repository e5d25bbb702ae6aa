// The references of a search, and the ways to bring another: dialog, drop anywhere, paste.

const trays = new WeakMap();

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
    const input = this.find("input");
    on(this.find(".add"), "click", () => input.click());
    on(input, "change", () => {
      this.take([...input.files]);
      input.value = ""; // so that the same file can be chosen again
    });
    on(this.find(".clear"), "click", () => this.act({ do: "clear" }));
    on(this.find(".chips"), "click", (event) => this.clicked(event));
    on(document, "paste", (event) => this.pasted(event));
    on(window, "dragenter", (event) => holdsFiles(event) && this.veil(true));
    on(window, "dragleave", (event) => event.relatedTarget === null && this.veil(false));
    on(window, "dragover", (event) => holdsFiles(event) && event.preventDefault());
    on(window, "drop", (event) => {
      this.veil(false);
      if (!holdsFiles(event)) return;
      event.preventDefault();
      this.take([...event.dataTransfer.files]);
    });
  }

  draw({ references, notices, maxBytes }) {
    this.maxBytes = maxBytes;
    this.find(".hint").hidden = references.length > 0;
    this.find(".clear").hidden = references.length === 0;
    this.find(".chips").replaceChildren(...references.map((reference) => this.chip(reference)));
    this.tell(notices);
  }

  chip({ key, name, image, less }) {
    const chip = this.find("template").content.cloneNode(true).firstElementChild;
    const [turn, remove] = [chip.querySelector(".turn"), chip.querySelector(".remove")];
    chip.dataset.key = JSON.stringify(key);
    chip.classList.toggle("less", less);
    chip.title = name;
    Object.assign(chip.querySelector("img"), { src: image, alt: name });
    turn.querySelector("span").textContent = less ? "Less like" : "More like";
    turn.title = less ? "Look for more like this instead" : "Look for less like this instead";
    turn.ariaLabel = `${less ? "Less" : "More"} like ${name}. ${turn.title}`;
    remove.title = "Take away";
    remove.ariaLabel = `Take away ${name}`;
    return chip;
  }

  clicked(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const key = JSON.parse(button.closest(".chip").dataset.key);
    this.act({ do: button.classList.contains("remove") ? "remove" : "turn", key });
  }

  pasted(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return; // text goes where it was meant to
    event.preventDefault();
    this.take(files);
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
      const chip = this.chip({ key: "", name: file.name, image: URL.createObjectURL(file), less: false });
      chip.classList.add("waiting");
      chip.querySelector("img").onload = (event) => URL.revokeObjectURL(event.target.src);
      this.find(".chips").append(chip);
    }
    const sent = await Promise.all(fitting.map(async (file) => ({ name: file.name, data: await dataUrl(file) })));
    this.act({ do: "add", files: sent });
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

const dataUrl = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
