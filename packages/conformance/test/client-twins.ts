/** A deliberately broken twin of one of our clients, and which rules the kit finds it to break. */
import { Effect } from "effect"
import { checkClient, type ClientCheck } from "./client-worlds.ts"

export interface Twin extends Omit<ClientCheck, "protocol"> {
  /** The end of the sentence "a client that ...". */
  readonly does: string
  /** The rule that is broken by its name; others may fail with it. */
  readonly breaks: string
}

/** A twin that could not even be watched would break every rule. */
const KEPT = "client-setup.endpoint"

/** The failed ones among the rule and one that every twin keeps. */
export const failedOf = (protocol: ClientCheck["protocol"], { breaks, ...client }: Twin) =>
  Effect.map(
    checkClient({
      protocol,
      answerTimeout: "3 seconds",
      shareTimeout: "3 seconds",
      connectTimeout: "3 seconds",
      only: [breaks, KEPT],
      ...client
    }),
    (results) => results.filter(({ verdict }) => verdict._tag === "Failed").map(({ id }) => id)
  )
