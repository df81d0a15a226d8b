/** Answers: the ids that pair them with requests, results, and the forms in which pools write an error. */
import { Schema } from "effect"
import type { Line } from "../line/line.ts"
import { DUPLICATE_SHARE, JOB_NOT_FOUND, LOW_DIFFICULTY, OTHER, UNAUTHORIZED_WORKER } from "./error-code.ts"
import type { Field } from "./field.ts"
import { isU32 } from "./hex.ts"

/** The ids that are answered. A request whose id is null, or not there, is not: bfgminer takes it for a notification. */
export type RequestId = number | string

/** cgminer counts up, bfgminer sends words; an id is sent back as it came, so that its length has a limit. */
const MAX_ID_LENGTH = 64

/** The request's id, null where it wants no answer, undefined where no answer could have that id. */
export const readRequestId = (id: unknown): RequestId | null | undefined => {
  if (typeof id === "number") return Number.isFinite(id) ? id : undefined
  if (id === null || id === undefined) return null
  return typeof id === "string" && id.length <= MAX_ID_LENGTH ? id : undefined
}

/** An error answer: a code and a text for people. */
export interface Refusal {
  readonly code: number
  readonly text: string
}

/** The line that answers with a result. `error` is always there: some firmware breaks without it. */
export const resultLine = (id: RequestId, result: Schema.Json): string =>
  `{"id":${idText(id)},"result":${result === true ? "true" : JSON.stringify(result)},"error":null}\n`

/** `[CODE, TEXT, null]`; every other form of pools is read too. */
export const RefusalField: Field<Refusal> = {
  name: "code, text, null",
  schema: Schema.Struct({ code: Schema.Int, text: Schema.String }),
  presence: "required",
  read: (error) => (isNoError(error) ? undefined : readError(error)),
  write: ({ code, text }) => [code, text, null],
  Type: undefined as unknown as Refusal
}

/** The line that answers with an error. */
export const refusalLine = (id: RequestId | null, refusal: Refusal): string =>
  `{"id":${idText(id)},"result":null,"error":${JSON.stringify(RefusalField.write(refusal))}}\n`

const idText = (id: RequestId | null): string => (typeof id === "string" ? JSON.stringify(id) : `${id}`)

/** The number that one of our own requests has; some pools answer with it as a string. */
export const readAnswerId = (id: unknown): number | undefined => {
  const number = typeof id === "string" && /^\d{1,10}$/.test(id) ? Number(id) : id
  return isU32(number) ? number : undefined
}

/**
 * The error of an answer, undefined if it has none. Forms: `[23,"high-hash",null]`, `[40,"..."]`, `"Stale"`, `{"code":22,
 * "message":"..."}`, `{"reject-reason":"...","result":false,"error":null}`, `{"result":false,"error":null}`.
 */
export const readRefusal = (line: Line): Refusal | undefined => {
  const { error, result } = line
  const refusal = RefusalField.read(error)
  if (refusal !== undefined) return refusal
  const reason = line["reject-reason"]
  if (typeof reason === "string") return { code: codeOfText(reason), text: reason }
  return result === false || result === null || result === undefined ? { code: OTHER, text: "refused" } : undefined
}

const isNoError = (error: unknown): boolean =>
  error === undefined || error === null || error === false || error === "" || error === 0

const readError = (error: unknown): Refusal => {
  if (typeof error === "string") return { code: codeOfText(error), text: error }
  if (typeof error === "number") return { code: integerOr(error, OTHER), text: `error ${error}` }
  const [code, text] = Array.isArray(error)
    ? [error[0], error[1]]
    : [(error as { code?: unknown }).code, (error as { message?: unknown }).message]
  const said = typeof text === "string" ? text : "refused without a reason"
  const number = typeof code === "string" ? Number(code) : code
  return { code: integerOr(number, codeOfText(said)), text: said }
}

const integerOr = (value: unknown, otherwise: number): number =>
  Number.isSafeInteger(value) ? (value as number) : otherwise

/** The code of a reason that came without one, from the words that pools use. */
const codeOfText = (text: string): number => {
  if (/stale|job|prevhash/i.test(text)) return JOB_NOT_FOUND
  if (/dup/i.test(text)) return DUPLICATE_SHARE
  if (/diff|target|high-?hash/i.test(text)) return LOW_DIFFICULTY
  return /unauthori[sz]ed/i.test(text) ? UNAUTHORIZED_WORKER : OTHER
}
