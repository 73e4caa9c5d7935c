// The item explorer: draws window.ITEMS, which `make site` writes (lib/papers/report/item_explorer.py).
"use strict";
(() => {
  const data = window.ITEMS;
  const page = document.getElementById("explorer");
  const SUGGESTED = 12;
  const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"];
  const state = { item: 0, backbone: Object.keys(data.backbones)[0], shown: "text" };

  const make = (tag, parent, attributes = {}, text = "") => {
    const space = ["svg", "circle"].includes(tag) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
    const drawn = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) drawn.setAttribute(name, value);
    drawn.textContent = text;
    parent.append(drawn);
    return drawn;
  };
  const field = (label, tag, attributes) => make(tag, make("label", controls, {}, `${label} `), attributes);
  const film = (parent, item) => make("button", parent, { type: "button", "data-item": item }, data.names[item]);
  const option = (select, value, text) => make("option", select, { value }, text);
  const spaces = () => data.backbones[state.backbone].spaces;
  // text first, then the alignments in the order of the paper; what was not trained too
  const names = () => {
    const found = [...Object.keys(spaces()), ...Object.keys(data.missing[state.backbone] || {})];
    const order = (name) => ["text", "base", name].indexOf(name);
    return found.sort((a, b) => order(a) - order(b) || a.localeCompare(b));
  };

  const controls = make("div", page, { class: "controls" });
  const typing = { type: "search", id: "pick", autocomplete: "off", placeholder: "a part of its title" };
  const search = field("Film", "input", typing);
  const suggestions = make("ul", search.parentElement, { id: "suggestions", role: "listbox", hidden: "" });
  const backbones = field("Recommender", "select", { id: "backbone" });
  const maps = field("Map of", "select", { id: "map-of" });
  const title = make("h2", page, { id: "picked" });
  const words = make("p", page, { id: "words" });
  const lists = make("div", page, { class: "lists" });
  const figure = make("div", page, { class: "map" });
  const map = make("svg", figure, { viewBox: "-20 -20 1040 1040", role: "img" });
  const tip = make("div", figure, { id: "tip", hidden: "" });
  const legend = make("div", page, { class: "legend" });

  const colour = (cluster) => COLOURS[cluster % COLOURS.length];
  const dots = data.clusters.map((cluster, item) => make("circle", map, { "data-item": item, fill: colour(cluster) }));
  data.words.forEach((said, cluster) => make("span", legend, { style: `--colour: ${colour(cluster)}` }, said));
  for (const [name, backbone] of Object.entries(data.backbones)) option(backbones, name, backbone.name);

  // how many neighbours every film shares with the text, on average
  const averages = {};
  function average(name) {
    const { text, [name]: space } = spaces();
    const shared = (near, item) => near.filter((other) => text.near[item].includes(other)).length;
    const mean = () => space.near.map(shared).reduce((a, b) => a + b) / space.near.length;
    return (averages[`${state.backbone} ${name}`] ??= mean()).toFixed(2);
  }

  function suggest() {
    const typed = search.value.trim().toLowerCase();
    const found = [];
    for (let item = 0; typed && item < data.names.length; item++) {
      const place = data.names[item].toLowerCase().indexOf(typed);
      if (place >= 0) found.push([place, item]);
    }
    found.sort(([a, i], [b, j]) => a - b || i - j);
    suggestions.replaceChildren();
    found.slice(0, SUGGESTED).forEach(([, item]) => film(make("li", suggestions), item));
    suggestions.hidden = !found.length;
  }

  function list(name, ofText) {
    const box = make("section", lists, { "data-space": name });
    make("h3", box, {}, name);
    const space = spaces()[name];
    if (!space) {
      make("p", box, {}, "Not trained here; this trains it: ");
      make("code", box, {}, data.missing[state.backbone][name]);
      return;
    }
    const near = space.near[state.item];
    const shared = near.filter((item) => ofText.has(item)).length;
    const said = () => `${shared} of ${near.length} shared with the text; all films: ${average(name)} on average`;
    if (name !== "text") make("p", box, { class: "shared" }, said());
    const ordered = make("ol", box);
    for (const item of near) {
      const line = make("li", ordered, name !== "text" && ofText.has(item) ? { class: "shared" } : {});
      film(line, item);
    }
  }

  function draw() {
    title.textContent = data.names[state.item];
    words.textContent = data.texts[state.item];
    const ofText = new Set(spaces().text.near[state.item]);
    lists.replaceChildren();
    names().forEach((name) => list(name, ofText));
    maps.replaceChildren();
    names().filter((name) => spaces()[name]).forEach((name) => option(maps, name, name));
    if (!spaces()[state.shown]) state.shown = "text";
    maps.value = state.shown;
    const { map: places, near } = spaces()[state.shown];
    const ringed = new Set(near[state.item]);
    dots.forEach((dot, item) => {
      dot.setAttribute("cx", places[item][0]);
      dot.setAttribute("cy", 1000 - places[item][1]);
      dot.setAttribute("r", item === state.item ? 14 : ringed.has(item) ? 9 : 5);
      dot.setAttribute("class", item === state.item ? "picked" : ringed.has(item) ? "near" : "");
    });
    // what is drawn last lies on top
    [...ringed, state.item].forEach((item) => map.append(dots[item]));
    map.setAttribute("aria-label", `Map of ${data.names.length} films by ${state.shown} vectors`);
  }

  function pick(item) {
    state.item = item;
    search.value = "";
    suggestions.hidden = true;
    draw();
  }

  page.addEventListener("click", (event) => {
    const item = event.target.dataset.item;
    if (item !== undefined) pick(Number(item));
  });
  search.addEventListener("input", suggest);
  search.addEventListener("keydown", (event) => {
    const first = suggestions.querySelector("button");
    if (event.key === "Enter" && !suggestions.hidden && first) pick(Number(first.dataset.item));
    if (event.key === "Escape") suggestions.hidden = true;
  });
  backbones.addEventListener("change", () => { state.backbone = backbones.value; draw(); });
  maps.addEventListener("change", () => { state.shown = maps.value; draw(); });
  map.addEventListener("mouseover", (event) => {
    const item = event.target.dataset.item;
    tip.hidden = item === undefined;
    if (tip.hidden) return;
    tip.textContent = data.names[item];
    const frame = figure.getBoundingClientRect();
    tip.style.left = `${event.clientX - frame.left + 12}px`;
    tip.style.top = `${event.clientY - frame.top + 12}px`;
  });
  map.addEventListener("mouseleave", () => { tip.hidden = true; });
  draw();
})();
