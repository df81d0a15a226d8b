/** Reads the files of test vectors. */
import { readFileSync } from "node:fs"

const text = (file: string): string => readFileSync(new URL(`./vectors/${file}`, import.meta.url), "utf8")

/** A CSV file: one record for each row, by the names in the first line. */
export const readVectors = (name: string): ReadonlyArray<Readonly<Record<string, string>>> => {
  const [head = "", ...rows] = text(`${name}.csv`).trim().split(/\r?\n/)
  const names = head.split(",")
  return rows.map((row) => {
    const cells = row.split(",")
    return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? ""]))
  })
}

export interface EcdhVector {
  readonly tcId: number
  readonly comment: string
  readonly public: string
  readonly private: string
  readonly shared: string
  readonly result: "valid" | "invalid" | "acceptable"
}

/** Wycheproof's ECDH, public keys as SubjectPublicKeyInfo in hex, private keys as hex integers of any length. */
export const readEcdhVectors = (): ReadonlyArray<EcdhVector> =>
  (
    JSON.parse(text("wycheproof_ecdh_secp256k1_test.json")) as {
      readonly testGroups: ReadonlyArray<{ readonly tests: ReadonlyArray<EcdhVector> }>
    }
  ).testGroups.flatMap((group) => group.tests)

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))
