/** The requests of a handshake, whose answers leave in their order because miners take the next line for the next answer. */
import type { Request } from "./request.ts"

export class HandshakeQueue {
  readonly #max: number
  #waiting: Array<Request> = []

  constructor(max: number) {
    this.#max = max
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** False where too many wait already. */
  add(request: Request): boolean {
    if (this.#waiting.length >= this.#max) return false
    this.#waiting.push(request)
    return true
  }

  /** The request of this kind and worker that waits for the layer above. */
  find(kind: Request["kind"], worker = ""): Request | undefined {
    return this.#waiting.find((each) => each.kind === kind && each.worker === worker && each.answer === undefined)
  }

  /** How many requests of this kind wait for the layer above. */
  count(kind: Request["kind"]): number {
    return this.#waiting.filter((each) => each.kind === kind && each.answer === undefined).length
  }

  /** Takes out the requests whose answers may leave now, oldest first. */
  takeAnswered(): ReadonlyArray<Request> {
    const end = this.#waiting.findIndex(({ answer }) => answer === undefined)
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end)
  }
}
