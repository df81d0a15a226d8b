/** User identities of the form `USER.WORKER` (specification, 5.3.2), where USER may be a Bitcoin address. */

export interface UserIdentity {
  /** The whole identity as the client sent it. */
  readonly identity: string
  /** The part before the first dot: the name of an account, or an address. */
  readonly user: string
  /** The part after the first dot; undefined without a dot. */
  readonly worker: string | undefined
}

/** Splits at the first dot: addresses have none, and names of accounts should have none. */
export const parseUserIdentity = (identity: string): UserIdentity => {
  const dot = identity.indexOf(".")
  return dot < 0
    ? { identity, user: identity, worker: undefined }
    : { identity, user: identity.slice(0, dot), worker: identity.slice(dot + 1) }
}
