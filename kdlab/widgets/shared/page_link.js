// A link to another page.

// In JupyterLab it opens the notebook in a tab, as JupyterLab's own links do, instead of reloading the application.
export function pageLink(page) {
  const inLab = /\/(?:lab|doc)(?:\/workspaces\/[^/]+)?\/tree\/(.*\/)?[^/]*$/.exec(
    decodeURIComponent(location.pathname),
  );
  if (!inLab) return { href: page };
  const args = JSON.stringify({ path: (inLab[1] ?? "") + page.split("#")[0] });
  return { href: page, "data-commandlinker-command": "docmanager:open", "data-commandlinker-args": args };
}
