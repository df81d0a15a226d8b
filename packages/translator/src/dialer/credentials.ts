/** The worker's name and password for a V1 pool, made from the `user_identity` of a channel. */

export interface Credentials {
  readonly worker: string
  readonly password: string
}

/** Patterns with `{user}`, the whole user identity, and `{worker}`, its part after the first dot (all of it without a dot). */
export interface CredentialPatterns {
  /** Default `{user}`. */
  readonly user?: string
  /** Default `x`, which pools ignore. */
  readonly password?: string
}

/** The credentials of a channel. Names that the pattern does not know stay as they are. */
export const credentialsOf = (
  userIdentity: string,
  { password = "x", user = "{user}" }: CredentialPatterns
): Credentials => {
  const parts: Readonly<Record<string, string>> = {
    "{user}": userIdentity,
    "{worker}": userIdentity.slice(userIdentity.indexOf(".") + 1)
  }
  const fill = (pattern: string): string => pattern.replaceAll(/\{\w+\}/g, (name) => parts[name] ?? name)
  return { worker: fill(user), password: fill(password) }
}
