// All boards: to open one, to make one, to bring one back; or to choose one for some pictures.

const lists = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let list = lists.get(parentElement);
  if (!list) lists.set(parentElement, (list = new Boards(parentElement)));
  list.act = (event) => setTriggerValue("act", event);
  list.draw(data);
  return () => lists.delete(parentElement);
}

const FEW = 9; // boards that are overseen without looking for their names

class Boards {
  constructor(root) {
    this.find = (selector) => root.querySelector(selector);
    this.section = this.find(".boards");
    this.find(".new").addEventListener("submit", (event) => {
      event.preventDefault();
      const { name } = event.target.elements;
      if (name.value.trim()) this.act({ do: "create", name: name.value });
      name.value = "";
    });
    this.find(".find").addEventListener("input", () => this.narrow());
    this.section.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) this.act({ do: button.dataset.do });
    });
  }

  draw({ boards, deleted, choosing, notices, undo }) {
    this.section.classList.toggle("choosing", choosing !== null);
    this.find(".cards").replaceChildren(...boards.map((board) => this.card(board, choosing)));
    this.find(".empty").hidden = boards.length > 0 || choosing !== null;
    this.find(".find").hidden = boards.length < FEW;
    this.find(".notices").replaceChildren(...notices.map((notice) => make("p", notice)));
    this.find(".deleted").hidden = deleted.length === 0;
    this.find(".deleted summary").textContent = `${deleted.length} deleted ${deleted.length === 1 ? "board" : "boards"}`;
    this.find(".deleted ul").replaceChildren(...deleted.map((board) => this.deletedLine(board)));
    this.find(".toast").classList.toggle("told", Boolean(undo));
    this.find(".toast span").textContent = undo ?? "";
    this.narrow();
  }

  card({ id, name, count, covers, holds }, choosing) {
    const card = this.find(".card-template").content.cloneNode(true).firstElementChild;
    const open = card.querySelector(".open");
    open.href = `/boards?board=${id}`;
    open.addEventListener("click", (event) => {
      if (choosing === null && (event.ctrlKey || event.metaKey || event.shiftKey)) return; // a tab of its own
      event.preventDefault();
      this.act({ do: "open", id });
    });
    const wall = card.querySelector(".covers");
    wall.dataset.count = covers.length;
    wall.replaceChildren(...covers.map((src) => Object.assign(new Image(), { src, alt: "", draggable: false })));
    card.querySelector(".name").textContent = name;
    const pictures = `${count.toLocaleString("en")} ${count === 1 ? "picture" : "pictures"}`;
    const has = choosing === 1 ? "holds it" : holds === choosing ? "holds all of these" : `holds ${holds} of these`;
    card.querySelector(".count").textContent = choosing !== null && holds ? `${pictures} · ${has}` : pictures;
    return card;
  }

  deletedLine({ id, name, count }) {
    const line = this.find(".deleted-template").content.cloneNode(true).firstElementChild;
    line.querySelector("span").textContent = `${name} · ${count}`;
    const button = line.querySelector("button");
    button.ariaLabel = `Bring back ${name}`;
    button.addEventListener("click", () => this.act({ do: "restore", id }));
    return line;
  }

  narrow() {
    const wanted = this.find(".find").value.trim().toLocaleLowerCase();
    for (const card of this.find(".cards").children) {
      card.hidden = !card.querySelector(".name").textContent.toLocaleLowerCase().includes(wanted);
    }
  }
}

function make(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
