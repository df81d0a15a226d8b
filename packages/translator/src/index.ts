export * as Translator from "./translator.ts"
