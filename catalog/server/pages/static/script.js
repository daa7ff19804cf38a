"use strict";
// What a page can do beyond links and forms: copy buttons, a filter while typing, light or dark. Without it nothing is missing.
(() => {
  const root = document.documentElement;
  const read = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const write = (theme) => { try { localStorage.setItem("theme", theme); } catch { /* private windows keep nothing */ } };
  const saved = read();
  if (saved === "light" || saved === "dark") root.dataset.theme = saved;

  const copy = async (text) => {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea"); // over plain HTTP to another machine there is no clipboard API
    area.value = text;
    area.setAttribute("readonly", "");
    area.className = "skip";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };
  const told = document.createElement("span"); // read aloud: a changed name of a button that has the focus often is not
  told.className = "sr";
  told.setAttribute("role", "status");
  document.body.append(told);
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    const label = button.getAttribute("aria-label");
    button.title = label;
    button.addEventListener("click", async () => {
      await copy(button.dataset.copy);
      button.classList.add("done");
      button.setAttribute("aria-label", "Copied");
      told.textContent = "Copied";
      setTimeout(() => { button.classList.remove("done"); button.setAttribute("aria-label", label); told.textContent = ""; }, 1500);
    });
  }

  // Only what can be scrolled is a stop of the Tab key.
  const tables = document.querySelectorAll(".wide");
  const fit = () => { for (const table of tables) table.tabIndex = table.scrollWidth > table.clientWidth ? 0 : -1; };
  addEventListener("resize", fit);
  fit();

  const theme = document.querySelector("button.theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    write(root.dataset.theme);
  });

  for (const input of document.querySelectorAll("input[data-filter]")) {
    const rows = document.querySelectorAll(`${input.dataset.filter} tbody tr`);
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
  }

  for (const hint of document.querySelectorAll("kbd[hidden]")) hint.hidden = false;
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea")) return;
    const input = document.querySelector("input[type=search]");
    if (input) { event.preventDefault(); input.focus(); }
  });
})();
