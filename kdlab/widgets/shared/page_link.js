// A link to another page.

// In JupyterLab it opens the notebook in a tab there, as its own links do, instead of loading all of Lab again.
export function link(page) {
  const inLab = /\/(?:lab|doc)(?:\/workspaces\/[^/]+)?\/tree\/(.*\/)?[^/]*$/.exec(
    decodeURIComponent(location.pathname),
  );
  if (!inLab) return { href: page };
  const args = JSON.stringify({ path: (inLab[1] ?? "") + page.split("#")[0] });
  return { href: page, "data-commandlinker-command": "docmanager:open", "data-commandlinker-args": args };
}
