/**
 * Libraries know their options, and programs know which key sets an option. A library names the option in a log line or an
 * error, such as "the limit is reached (maxConnections)", and the program shows its key: "(max-connections)".
 */
import type { KeyInfo } from "./key.ts"

export class OptionNames {
  readonly #keys: ReadonlyMap<string, string>
  readonly #pattern: RegExp

  constructor(keys: ReadonlyArray<KeyInfo>) {
    this.#keys = new Map(keys.map(({ field, name, option = field }) => [option, name]))
    // Options of one word, such as `tag`, are also words of sentences: they are replaced in `describe` alone.
    const inText = [...this.#keys.keys()].filter((option) => /[A-Z]/.test(option))
    this.#pattern = new RegExp(String.raw`\b(?:${inText.join("|") || "(?!)"})\b`, "g")
  }

  /** Replaces the names of options in a text by the names of their keys. */
  readonly replace = (text: string): string => text.replace(this.#pattern, (option) => this.#keys.get(option)!)

  /** The message of an error, behind the key of the option that the error names as wrong. */
  readonly describe = (error: { readonly message: string; readonly option?: unknown }): string => {
    const message = this.replace(error.message)
    const key = typeof error.option === "string" ? this.#keys.get(error.option) : undefined
    return key === undefined ? message : `${key}: ${message}`
  }
}
