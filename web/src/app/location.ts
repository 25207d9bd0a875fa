/** Where the page is: the prefix the server is mounted under, the page shown, and its parameters. */

import { useSyncExternalStore } from "react";

/** Pages by their names in addresses. */
export type Page = "query" | "targets" | "tsdb-status";

const KNOWN = /\/(query|graph|targets|tsdb-status|index\.html)?\/?$/;

/** The part of the path before the page's own name, so that everything works below any proxy prefix. */
export function pathPrefix(path = window.location.pathname): string {
  return path.replace(KNOWN, "");
}

/** The page a path names. */
export function pageOf(path: string): Page {
  const name = /\/(targets|tsdb-status)\/?$/.exec(path)?.[1];
  return (name as Page | undefined) ?? "query";
}

/** The address of a page. */
export function hrefOf(page: Page, search = ""): string {
  return `${pathPrefix()}/${page}${search}`;
}

/** Goes to an address inside this program without loading it anew. */
export function navigate(href: string, replace = false): void {
  if (replace) window.history.replaceState(null, "", href);
  else window.history.pushState(null, "", href);
  for (const listener of listeners) listener();
}

/** The current path and search, kept up to date. */
export function useLocation(): { path: string; search: string } {
  const href = useSyncExternalStore(subscribe, () => window.location.pathname + window.location.search);
  const at = href.indexOf("?");
  return at < 0 ? { path: href, search: "" } : { path: href.slice(0, at), search: href.slice(at) };
}

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("popstate", listener);
  };
}
