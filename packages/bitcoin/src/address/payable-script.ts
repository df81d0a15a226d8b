/**
 * Decides whether a reward may be paid to a script: its owner, and nobody else, must be able to spend it. It looks at the script alone,
 * so it trusts that the owner of a hash has the key. docs/decisions/0010 has the reasons.
 */
import { OP, OutScript, Script } from "@scure/btc-signer"
import { scriptSigopsCost } from "../block/signature-operations.ts"

/** The longest script that consensus runs, in bytes (Bitcoin Core's `MAX_SCRIPT_SIZE`). */
const MAX_SCRIPT_SIZE = 10_000

/** Returns why no reward should go to this script, as the predicate of a sentence about it; `undefined` if it may be paid. */
export const unpayableReason = (script: Uint8Array): string | undefined => {
  const program = witnessProgram(script)
  if (program !== undefined) return programReason(program)
  if (script[0] === OP.RETURN) return `begins with OP_RETURN: ${NOBODY}`
  if (script.length > MAX_SCRIPT_SIZE) {
    return `has ${script.length} bytes, and no script of more than ${MAX_SCRIPT_SIZE} is run: ${NOBODY}`
  }
  if (!isWhole(script)) return `cannot be read to its end: ${NOBODY}`
  const hash = hashOf(script)
  if (hash !== undefined) return isZero(hash) ? ZERO_HASH : undefined
  return scriptSigopsCost(script) > 0 ? undefined : `checks no signature: ${ANYONE}`
}

interface WitnessProgram {
  readonly version: number
  readonly bytes: Uint8Array
}

/** BIP141: a version, and one push of 2 to 40 bytes. */
const witnessProgram = (script: Uint8Array): WitnessProgram | undefined => {
  const [opcode = OP.RETURN, length] = script
  const isVersion = opcode === OP.OP_0 || (opcode >= OP.OP_1 && opcode <= OP.OP_16)
  if (!isVersion || script.length < 4 || script.length > 42 || length !== script.length - 2) return undefined
  return { version: opcode === OP.OP_0 ? 0 : opcode - OP.OP_1 + 1, bytes: script.subarray(2) }
}

const programReason = ({ bytes, version }: WitnessProgram): string | undefined => {
  const { length } = bytes
  if (version === 0) {
    if (length !== 20 && length !== 32) return `is of witness version 0 with ${length} bytes, not 20 or 32: ${NOBODY}`
    return isZero(bytes) ? ZERO_HASH : undefined
  }
  if (version === 1 && length === 32) {
    const { type } = OutScript.decode(Uint8Array.of(OP.OP_1, length, ...bytes))
    return type === "tr" ? undefined : `has no point of the curve for its taproot key: ${NOBODY}`
  }
  if (version === 1 && bytes[0] === 0x4e && bytes[1] === 0x73 && length === 2) return `is pay-to-anchor: ${ANYONE}`
  return `is of witness version ${version} with ${length} bytes, which has no rules yet: ${ANYONE}`
}

/** The hash in a pay-to-public-key-hash or a pay-to-script-hash script. */
const hashOf = (script: Uint8Array): Uint8Array | undefined => {
  const hex = Buffer.from(script).toString("hex")
  const [, digits] = /^76a914(.{40})88ac$/.exec(hex) ?? /^a914(.{40})87$/.exec(hex) ?? []
  return digits === undefined ? undefined : Buffer.from(digits, "hex")
}

/** Whether every push has the bytes that it announces. */
const isWhole = (script: Uint8Array): boolean => {
  try {
    Script.decode(script)
    return true
  } catch {
    return false
  }
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

const NOBODY = "nobody can ever spend what is paid to it"
const ANYONE = "anyone can spend what is paid to it"
const ZERO_HASH = `is for a hash of zeros, which no key or script is known for: ${NOBODY}`
