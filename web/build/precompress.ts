import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";

const TEXT = /\.(js|css|svg|txt|json)$/;

/**
 * Replaces each text file of the build by its gzip, named `FILE.gz`.
 *
 * `index.html` stays plain: the server may fill in the page title. The bytes depend on nothing but
 * the input: zlib writes no time and no name into the header, and the field for the operating
 * system is set to "unknown".
 */
export function precompress(): Plugin {
  let directory = "";
  return {
    name: "precompress",
    apply: "build",
    configResolved: (config) => void (directory = join(config.root, config.build.outDir)),
    closeBundle: () => {
      for (const entry of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
        if (TEXT.test(entry)) compress(join(directory, entry));
      }
    },
  };
}

function compress(path: string): void {
  const bytes = gzipSync(readFileSync(path), { level: 9 });
  bytes[9] = 255;
  writeFileSync(`${path}.gz`, bytes);
  rmSync(path);
}
