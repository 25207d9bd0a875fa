import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { licences } from "./build/licences.ts";
import { precompress } from "./build/precompress.ts";

const server = process.env["PYRRHA_URL"] ?? "http://127.0.0.1:9090";

export default defineConfig({
  base: "./",
  plugins: [react(), licences(), precompress()],
  build: {
    outDir: "../crates/ui/dist",
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: "editor", test: /node_modules\/(@codemirror|@lezer|@prometheus-io|style-mod|w3c-keyname|crelt|@marijn|lru-cache)/ },
            { name: "vendor", test: /node_modules/ },
          ],
        },
      },
    },
  },
  server: { proxy: { "/api": server, "/-/": server, "/metrics": server } },
});
