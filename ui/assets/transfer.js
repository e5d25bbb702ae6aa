// New pictures in a found style: the order that a visitor writes, and what was made.

const views = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let view = views.get(parentElement);
  if (!view) views.set(parentElement, (view = new Transfer(parentElement)));
  view.send = (event) => setTriggerValue("act", event);
  view.draw(data);
  return () => views.delete(parentElement);
}

const SCORES = {
  style: ["Likeness of style", "How alike the styles of this picture and of all references together are: 1.00 is the same"],
  sure: ["Shares their style", "How likely it shares the style of the references, as far as this library can tell"],
  leak: ["Copied arrangement", "How much of what a reference shows has come along: 0.00 is no more than by chance"],
};

class Transfer {
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    this.section = this.find(".transfer");
    this.written = ""; // the form as Python sent it last: what a visitor is writing is not written over
    this.adding = "style"; // what a file that is chosen is for
    this.find(".order").addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.find(".make").disabled) this.send({ do: "make", form: this.form() });
    });
    this.section.addEventListener("click", (event) => this.clicked(event));
    this.find(".order").addEventListener("input", () => this.settle());
    this.find(".order").addEventListener("keydown", (event) => event.stopPropagation()); // Streamlit has shortcuts of its own
    const file = this.find(".file");
    file.addEventListener("change", () => this.take([...file.files]));
  }

  draw(data) {
    this.data = data;
    const { references, content, backends, others, sizes, numbers, form, results, notices } = data;
    this.fill(".styles .chips", references, (one) => this.chip(one, false));
    this.find(".none").hidden = references.length > 0;
    this.fill(".shown .chips", content ? [content] : [], (one) => this.chip(one, true));
    if (this.options !== JSON.stringify([backends, sizes, numbers])) {
      this.options = JSON.stringify([backends, sizes, numbers]);
      this.fill(".backend", backends, ({ name }) => option(name, name));
      this.fill(".size", sizes, ({ value, label }) => option(value, `${label}, ${value.replace("x", " × ")}`));
      this.fill(".numbers", numbers, (number) => this.number(number));
      this.fill(".others dl", others.flatMap(described), (one) => one);
    }
    if (this.written !== JSON.stringify(form)) this.write(form);
    this.written = JSON.stringify(form);
    this.fill(".notices", notices, (text) => make("p", text));
    this.fill(".results", results, (one) => this.result(one));
    this.find(".empty").hidden = results.length > 0;
    this.section.classList.toggle("busy", data.busy);
    this.settle();
  }

  write({ backend, prompt, size, number, strength, seed }) {
    Object.assign(this.find(".backend"), { value: backend });
    Object.assign(this.find(".prompt"), { value: prompt });
    Object.assign(this.find(".size"), { value: size });
    Object.assign(this.find(".strength"), { value: strength });
    Object.assign(this.find(".seed"), { value: seed });
    for (const input of this.find(".numbers").querySelectorAll("input")) input.checked = Number(input.value) === number;
  }

  form() {
    return {
      backend: this.find(".backend").value,
      prompt: this.find(".prompt").value,
      size: this.find(".size").value,
      number: this.find(".numbers input:checked")?.value ?? "1",
      strength: Number(this.find(".strength").value),
      seed: this.find(".seed").value,
    };
  }

  // Shows what the chosen backend takes, and what an order still lacks.
  settle() {
    const { references, content, backends, busy } = this.data;
    const can = backends.find(({ name }) => name === this.find(".backend").value) ?? backends[0];
    this.find(".what").textContent = can.what;
    this.find(".terms").textContent = can.terms;
    const prompt = this.find(".prompt");
    const shows = can.text && !can.textBesideContent && Boolean(content);
    prompt.disabled = !can.text || shows;
    const none = shows ? "It shows the picture below, and reads no words beside it" : "This one reads no words";
    prompt.placeholder = prompt.disabled ? none : "A fox in the snow";
    this.find(".shown").hidden = !can.content;
    this.find("[data-add=content]").textContent = content ? "Use another picture" : "Use a picture of what to show";
    this.find(".styles").classList.toggle("weightless", !can.weights);
    for (const button of this.find(".styles").querySelectorAll(".weight")) button.hidden = !can.weights;
    for (const button of this.find(".styles").querySelectorAll(".show")) button.hidden = !can.content;
    const strength = Number(this.find(".strength").value);
    this.find(".order output").textContent = `${Math.round(100 * strength)} %`;
    const lacking = busy ? "" : this.lacking(can, references, content, prompt.value.trim());
    this.find(".lacking").textContent = lacking;
    const number = Number(this.form().number);
    const button = this.find(".make");
    button.textContent = busy ? "Being made…" : number === 1 ? "Make a picture" : `Make ${number} pictures`;
    button.disabled = busy || Boolean(lacking);
    for (const vary of this.find(".results").querySelectorAll("[data-do=vary]")) vary.disabled = busy;
  }

  lacking(can, references, content, prompt) {
    if (can.missing) return can.missing;
    if (can.references && !references.length) return "It needs at least one picture whose style it is to take.";
    if (references.length > can.references && can.references) return `This one takes ${can.references} at most: take some away.`;
    if (can.needsContent && !content) return "It needs a picture of what to show.";
    if (can.needsText && !prompt) return "Say what to show.";
    return "";
  }

  chip({ key, name, image, weight, part }, shown) {
    const chip = this.find(".chip-template").content.cloneNode(true).firstElementChild;
    chip.dataset.key = JSON.stringify(key);
    chip.dataset.weight = shown ? 1 : weight;
    Object.assign(chip.querySelector("img"), { src: image, alt: "" });
    Object.assign(chip.querySelector(".name"), { textContent: name, title: part ? `${name}: a part of it` : name });
    const button = (kind, words) => Object.assign(chip.querySelector(`.${kind}`), { ariaLabel: `${words} ${name}`, title: words });
    button("weight", "How much it counts:").textContent = weight === 0.5 ? "×½" : `×${weight}`;
    button("show", "Show this picture, and take the style of the others:");
    button("remove", "Take away");
    if (shown) chip.classList.add("as-content");
    if (shown) for (const one of chip.querySelectorAll(".weight, .show")) one.remove();
    return chip;
  }

  number(number) {
    const label = this.find(".number-template").content.cloneNode(true).firstElementChild;
    label.querySelector("input").value = number;
    label.querySelector("span").textContent = number;
    return label;
  }

  result(one) {
    const { id, name, picture, thumbnail, width, height, prompt, seed, backend, references } = one;
    const item = this.find(".result-template").content.cloneNode(true).firstElementChild;
    item.dataset.id = id;
    const open = Object.assign(item.querySelector(".open"), { href: `/asset?id=${id}`, title: "Everything about it" });
    const image = Object.assign(open.querySelector("img"), { src: picture, alt: name, width, height });
    image.onerror = () => Object.assign(image, { onerror: null, src: thumbnail });
    item.querySelector(".asked").textContent = [prompt && `“${prompt}”`, backend, `seed ${seed}`].filter(Boolean).join(" · ");
    const known = Object.entries(SCORES).filter(([score]) => one[score] !== null);
    item.querySelector(".scores").replaceChildren(...known.map(([score, [label, title]]) => this.score(label, title, one[score])));
    const each = references.filter(({ likeness }) => likeness !== null);
    const words = each.map((reference) => `${reference.name} ${reference.likeness.toFixed(2)}`);
    item.querySelector(".to").textContent = each.length > 1 ? `To each: ${words.join(", ")}` : "";
    return item;
  }

  score(label, title, value) {
    const row = this.find(".score-template").content.cloneNode(true).firstElementChild;
    row.title = title;
    row.querySelector("dt").textContent = label;
    row.querySelector(".number").textContent = value.toFixed(2);
    const bar = row.querySelector(".bar");
    Object.assign(bar, { ariaLabel: label, ariaValueNow: value.toFixed(2), ariaValueText: value.toFixed(2) });
    bar.firstElementChild.style.width = `${100 * Math.max(0, value)}%`;
    return row;
  }

  clicked(event) {
    const open = event.target.closest(".open");
    if (open) {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a tab of its own
      event.preventDefault();
      this.send({ do: "open", id: Number(open.closest(".result").dataset.id) });
    }
    const button = event.target.closest("button");
    if (!button || button.disabled) return;
    const chip = button.closest(".chip");
    if (chip) this.asked(button.classList[0], JSON.parse(chip.dataset.key), chip);
    else if (button.dataset.add) {
      this.adding = button.dataset.add;
      this.find(".file").multiple = this.adding === "style";
      this.find(".file").click();
    } else if (button.dataset.do) {
      const result = button.closest(".result");
      this.send({ do: button.dataset.do, form: this.form(), ...(result && { id: Number(result.dataset.id) }) });
    }
  }

  asked(what, key, chip) {
    const { weights } = this.data;
    const form = this.form();
    if (chip.classList.contains("as-content")) this.send({ do: "drop_content", form });
    else if (what === "weight") {
      const next = weights[(weights.indexOf(Number(chip.dataset.weight)) + 1) % weights.length];
      this.send({ do: "weigh", key, weight: next, form });
    } else this.send({ do: what, key, form });
  }

  async take(files) {
    this.find(".file").value = ""; // so that the same file can be chosen again
    const { maxBytes } = this.data;
    const large = files.filter(({ size }) => size > maxBytes);
    this.fill(".notices", large, ({ name }) => make("p", `“${name}” is larger than ${Math.floor(maxBytes / 1e6)} MB.`));
    const fitting = files.filter(({ size }) => size <= maxBytes);
    const sent = await Promise.all(fitting.map(async (file) => ({ name: file.name, data: await dataUrl(file) })));
    if (sent.length) this.send({ do: "add", files: sent, content: this.adding === "content", form: this.form() });
  }

  fill(selector, items, element) {
    this.find(selector).replaceChildren(...items.map(element));
  }
}

function make(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function option(value, text) {
  return Object.assign(make("option", text), { value });
}

function described({ name, what, missing }) {
  return [make("dt", name), make("dd", missing ? `${what} ${missing}` : what)];
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
