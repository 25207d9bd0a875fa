import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const PACKAGE = /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//;

/** In the build, but not as a module of the program. */
const FONTS = ["@fontsource-variable/inter"];

/** Writes the licence texts of every package that is in the build to `assets/third-party-licenses.txt`. */
export function licences(): Plugin {
  const directories = new Map<string, string>();
  return {
    name: "licences",
    apply: "build",
    moduleParsed(module) {
      const [, directory, name] = PACKAGE.exec(module.id.replace(/^\0/, "")) ?? [];
      if (directory && name && existsSync(join(directory, "package.json"))) directories.set(name, directory);
    },
    generateBundle() {
      for (const font of FONTS) directories.set(font, join("node_modules", font));
      const notices = [...directories].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, directory]) => notice(name, directory));
      this.emitFile({ type: "asset", fileName: "assets/third-party-licenses.txt", source: notices.join("\n") });
    },
  };
}

function notice(name: string, directory: string): string {
  const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as { version: string; license?: string };
  const files = readdirSync(directory).filter((file) => /^(licen[cs]e|notice)/i.test(file)).sort();
  const texts = files.map((file) => readFileSync(join(directory, file), "utf8").trim());
  return `${"=".repeat(80)}\n${name} ${manifest.version} (${manifest.license ?? "see below"})\n\n${texts.join("\n\n")}\n`;
}
