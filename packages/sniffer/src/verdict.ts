/** What becomes of a message: what a rule says of it. */

export type Verdict<M> =
  | { readonly _tag: "Pass" }
  | { readonly _tag: "Drop" }
  | { readonly _tag: "Replace"; readonly messages: ReadonlyArray<M> }

/**
 * Asked of each message that decodes, in the order in which they come, whatever the direction. It must not wait and not
 * throw; what it remembers is its own affair. A message with which both ends agree on something, such as an id, can only be
 * dropped or changed by a rule that knows what follows from that.
 */
export type Rule<M> = (message: M, to: "server" | "client", connectionId: number) => Verdict<M>

/** It goes on, byte for byte. */
export const pass: Verdict<never> = { _tag: "Pass" }

/** It goes no further. */
export const drop: Verdict<never> = { _tag: "Drop" }

/** These go in its place, encoded anew: bytes behind the message that are no TLVs of a known extension are lost. */
export const replace = <const Messages extends ReadonlyArray<unknown>>(
  ...messages: Messages
): Verdict<Messages[number]> => ({ _tag: "Replace", messages })
