// The contrast of every text, and of every kind of cell, with what is behind it, as JSON.
(() => {
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
    throw new Error("the page has no background");
  };
  const texts = {}, cells = {};
  for (const node of document.querySelectorAll("body *:not(script):not(noscript)")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const style = getComputedStyle(node);
    if (own && node.offsetParent) texts[node.textContent.slice(0, 60)] = ratio(style.color, behind(node));
    if (node.matches("#legend .cell")) {
      cells[node.className] = ratio(style.borderTopColor, behind(node.parentElement));
      const glyph = getComputedStyle(node, "::before");
      if (glyph.content !== "none") texts[node.className] = ratio(glyph.color, behind(node));
    }
  }
  return JSON.stringify({page: numbers(behind(document.body)), texts, cells});
})()
