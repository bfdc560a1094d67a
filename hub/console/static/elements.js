// Small steps on the page's elements. Only text is ever written, never markup: a device's name
// comes from outside. What did not change is not touched, so that a screen reader is not told.

export const byId = (id) => document.getElementById(id);

export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

export function setText(target, value) {
  if (target.textContent !== value) target.textContent = value;
}

export function setData(target, name, value) {
  if (target.dataset[name] !== value) target.dataset[name] = value;
}

export function setBar(target, share) {
  target.style.width = `${Math.round(Math.min(Math.max(share, 0), 1) * 100)}%`;
}

// Makes the children of `parent` follow `rows`: one child for each key, in order, made once by
// create(row) and brought up to date by update(parts, row). create returns {root, ...}.
export function follow(parent, rows, keyOf, create, update) {
  const known = parent.known || (parent.known = new Map());
  const kept = new Set();
  let place = parent.firstElementChild;
  for (const row of rows) {
    const key = keyOf(row);
    if (!known.has(key)) known.set(key, create(row));
    const parts = known.get(key);
    if (parts.root === place) place = place.nextElementSibling;
    else parent.insertBefore(parts.root, place);
    update(parts, row);
    kept.add(key);
  }
  for (const [key, parts] of known) {
    if (kept.has(key)) continue;
    parts.root.remove();
    known.delete(key);
  }
}

// A list of (name, value) in a <dl>.
export function followFacts(list, facts) {
  follow(
    list,
    facts,
    ([name]) => name,
    ([name]) => {
      const value = element("dd", "number value");
      return { root: element("div", "", element("dt", "", name), value), value };
    },
    (parts, [, value]) => setText(parts.value, value),
  );
}
