/** What a browser remembers about its user: theme, clock, past expressions. */

import { useSyncExternalStore } from "react";
import type { Zone } from "../lib/time.ts";

export type Theme = "auto" | "light" | "dark";

const HISTORY_MAX = 50;
const listeners = new Set<() => void>();

/** The chosen theme, and how to choose another. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const stored = useStored("settings.theme");
  const theme = stored === "light" || stored === "dark" ? stored : "auto";
  return [theme, (next) => { write("settings.theme", next); applyTheme(); }];
}

/** The clock instants are shown in, and how to choose another. */
export function useZone(): [Zone, (zone: Zone) => void] {
  const zone = useStored("settings.useLocalTime") === "false" ? "utc" : "local";
  return [zone, (next) => write("settings.useLocalTime", String(next === "local"))];
}

/** Marks the document with the stored theme; to be called before the first paint. */
export function applyTheme(): void {
  const theme = read("settings.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** The expressions run before, newest first. */
export function queryHistory(): string[] {
  try {
    const list: unknown = JSON.parse(read("history") ?? "[]");
    return Array.isArray(list) ? list.filter((item) => typeof item === "string") : [];
  } catch {
    return [];
  }
}

/** Puts an expression at the head of the history. */
export function remember(expr: string): void {
  if (expr.trim() === "") return;
  const list = [expr, ...queryHistory().filter((item) => item !== expr)].slice(0, HISTORY_MAX);
  write("history", JSON.stringify(list));
}

function useStored(key: string): string | null {
  return useSyncExternalStore(subscribe, () => read(key));
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("storage", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", listener);
  };
}

function read(key: string): string | null {
  try {
    return window.localStorage.getItem(key);
  } catch {
    return null; // storage is switched off in this browser
  }
}

function write(key: string, value: string): void {
  try {
    window.localStorage.setItem(key, value);
  } catch {
    return; // nothing is remembered, everything else works
  }
  for (const listener of listeners) listener();
}
