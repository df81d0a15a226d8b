import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["{packages/*,programs,bench,embedded,examples}/test/**/*.test.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
})
