/** Builds the page into `build/page`, from which the monitor serves it. */
import { fileURLToPath } from "node:url"
import { defineConfig } from "vite"
import solid from "vite-plugin-solid"

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  // `vite` alone serves the page while somebody works on it, with the API of a pool or demo at this address.
  server: { proxy: { "/api": process.env["MONITOR"] ?? "http://127.0.0.1:8080" } },
  build: {
    outDir: "../build/page",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    reportCompressedSize: false
  },
  plugins: [solid()]
})
