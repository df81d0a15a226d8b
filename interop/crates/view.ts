/**
 * A message as the text that the Rust program gives of its own: `{"_tag":"SetTarget","channel_id":1,...}`, the fields in
 * the order of the wire and under the crates' names. A number is its decimals, an F32 the number of its bits, bytes and strings are
 * hexadecimal, an empty OPTION is `null`.
 */
import type { Message, WireType } from "@sluice/protocol"

/** Fields with other names in the crates than in the specification. */
const RENAMED: Readonly<Record<string, string>> = {
  "template_distribution.SetNewPrevHash.nbits": "n_bits",
  "mining.SetCustomMiningJob.mining_job_token": "token",
  "job_declaration.AllocateMiningJobTokenSuccess.coinbase_tx_outputs": "coinbase_outputs"
}

/** `path` is the message's name with its protocol's, as the crates have them: `mining.SetTarget`. */
export const view = (path: string, { layout }: Message, message: object): string => {
  const tag = path.slice(path.indexOf(".") + 1)
  const fields = layout.map(({ name, type }) => {
    const snake = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    const value = (message as Readonly<Record<string, unknown>>)[name]
    return `"${RENAMED[`${path}.${snake}`] ?? snake}":${show(type, value)}`
  })
  return `{${[`"_tag":"${tag}"`, ...fields].join(",")}}`
}

const scratch = new DataView(new ArrayBuffer(4))

const show = (type: WireType, value: unknown): string => {
  switch (type._tag) {
    case "Unsigned":
    case "Unsigned64":
    case "Boolean":
      return String(value)
    case "Float32":
      scratch.setFloat32(0, value as number)
      return String(scratch.getUint32(0))
    case "Fixed":
    case "Bytes": {
      const { buffer, byteLength, byteOffset } = value as Uint8Array
      return `"${Buffer.from(buffer, byteOffset, byteLength).toString("hex")}"`
    }
    case "Text":
      return `"${bytesOfText(value as string).toString("hex")}"`
    case "Option":
      return value === undefined ? "null" : show(type.item, value)
    case "Sequence":
      return `[${(value as ReadonlyArray<unknown>).map((item) => show(type.item, item)).join(",")}]`
  }
}

/** The bytes of a string of the wire: a lone surrogate U+DC80 to U+DCFF stands for one byte that is not UTF-8. */
const bytesOfText = (text: string): Buffer =>
  Buffer.concat(
    Array.from(text, (character) => {
      const unit = character.charCodeAt(0)
      return character.length === 1 && unit >= 0xdc80 && unit <= 0xdcff
        ? Buffer.of(unit & 0xff)
        : Buffer.from(character, "utf8")
    })
  )
