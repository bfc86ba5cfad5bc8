// The start page only shows the way: a code or a pasted link opens its page.

for (const form of document.querySelectorAll("form[data-go]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const code = lastPart(new FormData(form).get("code").trim());
    if (code) location.assign(form.dataset.go + encodeURIComponent(code));
  });
}

function lastPart(link) {
  return link.split(/[?#]/)[0].split("/").filter(Boolean).at(-1) ?? "";
}
