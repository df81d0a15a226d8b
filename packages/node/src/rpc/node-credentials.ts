/** Credentials for a node: a user and a password, or the cookie file that a node on this machine writes. */
import { Effect, FileSystem, Option, Redacted } from "effect"
import { NodeBadCredentials } from "./node-rpc-error.ts"

/** Credentials for a node: `rpcuser` and `rpcpassword`, or the cookie file that the node writes at each start. */
export type NodeCredentials =
  | { readonly _tag: "Password"; readonly user: string; readonly password: Redacted.Redacted }
  | { readonly _tag: "Cookie"; readonly path: string }

export interface Authorization {
  readonly user: string
  readonly password: Redacted.Redacted
}

/** Gives the credentials to use now, and newer ones after a node has refused those, if there are any. */
export const makeAuthorize = Effect.fnUntraced(function* (credentials: NodeCredentials) {
  const fs = yield* FileSystem.FileSystem
  if (credentials._tag === "Password") {
    return { current: Effect.succeed(credentials), refreshed: () => Effect.succeedNone }
  }
  const { path } = credentials
  let known: Authorization | undefined

  const read = fs.readFileString(path).pipe(
    Effect.mapError(
      (error) =>
        new NodeBadCredentials({
          detail: `cookie file ${path} cannot be read: ${error.reason._tag}; see that the node runs`
        })
    ),
    Effect.flatMap((content) => {
      const [user, ...password] = content.trim().split(":")
      if (!user || password.length === 0) {
        return Effect.fail(new NodeBadCredentials({ detail: `cookie file ${path} does not hold USER:PASSWORD` }))
      }
      known = { user, password: Redacted.make(password.join(":")) }
      return Effect.succeed(known)
    })
  )
  return {
    current: Effect.suspend((): Effect.Effect<Authorization, NodeBadCredentials> =>
      known === undefined ? read : Effect.succeed(known)
    ),
    refreshed: (refused: Authorization) =>
      Effect.map(read, (fresh) =>
        Redacted.value(fresh.password) === Redacted.value(refused.password) ? Option.none() : Option.some(fresh)
      )
  }
})
