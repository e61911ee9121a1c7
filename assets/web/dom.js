// Small help for building elements and icons.

/** `el("p.lead", {word: "intro_lead"}, child, ...)`: a tag with classes, attributes, children. */
export function el(selector, attributes = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "word" || name === "label") element.dataset[name] = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Strokes on a 24 by 24 field. */
const PATHS = {
  camera: "M3 8a2 2 0 0 1 2-2h9a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2zM16 10.5l5-3v9l-5-3",
  light: "M12 3v2M5.6 5.6 7 7M3 12h2m14 0h2M17 7l1.4-1.4M9.5 18h5m-4 3h3M12 8a5 5 0 0 0-3 9h6a5 5 0 0 0-3-9z",
  face: "M4 8V6a2 2 0 0 1 2-2h2m8 0h2a2 2 0 0 1 2 2v2m0 8v2a2 2 0 0 1-2 2h-2m-8 0H6a2 2 0 0 1-2-2v-2M9 10v.01M15 10v.01M9 14.5c1.8 1.6 4.2 1.6 6 0",
  check: "m5 12.5 4.5 4.5L19 7.5",
  question: "M8 9a4 4 0 1 1 5.8 3.6C12.6 13.3 12 14 12 15.2M12 19.2v.01",
  blocked: "M3 3l18 18M6 6H5a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h9a2 2 0 0 0 1.8-1.2M10 6h4a2 2 0 0 1 2 2v4m0-1.5 5-3v9l-1.8-1.1",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  unplugged: "M2.5 9a14 14 0 0 1 6-3.3M13 5a14 14 0 0 1 8.5 4M6 13a9 9 0 0 1 4.5-2.5M15 11.2a9 9 0 0 1 3 1.8M9.5 16.5a4 4 0 0 1 5 0M12 20v.01M4 3l16 18",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20c1-4 4-5.5 7.5-5.5s6.5 1.5 7.5 5.5",
  upload: "M12 16V5m0 0L7.5 9.5M12 5l4.5 4.5M4 16v2a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-2",
};

/** An icon; it says nothing that the words beside it do not. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
