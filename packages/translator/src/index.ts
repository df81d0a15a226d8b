/** The two layers that make Stratum V1 look like Stratum V2. */
export * as Translator from "./translator.ts"
