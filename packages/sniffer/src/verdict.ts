/** The decision of a rule about a message. */

export type Verdict<M> =
  | { readonly _tag: "Pass" }
  | { readonly _tag: "Drop" }
  | { readonly _tag: "Replace"; readonly messages: ReadonlyArray<M> }

/**
 * Called with every message that decodes, of both directions, in the order of arrival. It must not block or throw; it may keep
 * state. Take care with messages in which the ends agree on something, such as an id: a rule that drops or changes one must
 * also change the messages that depend on it.
 */
export type Rule<M> = (message: M, to: "server" | "client", connectionId: number) => Verdict<M>

/** Forwards the message byte for byte. */
export const pass: Verdict<never> = { _tag: "Pass" }

/** Does not forward the message. */
export const drop: Verdict<never> = { _tag: "Drop" }

/** Forwards these messages in its place, newly encoded. Bytes behind the message are lost, except TLVs of known extensions. */
export const replace = <const Messages extends ReadonlyArray<unknown>>(
  ...messages: Messages
): Verdict<Messages[number]> => ({ _tag: "Replace", messages })
